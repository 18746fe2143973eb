"""A simulated signal: the Mackey-Glass equation, chaotic, never the same twice, made here from a seed.

dx/dt = 0.2 x(t - 17) / (1 + x(t - 17)^10) - 0.1 x(t), from M. C. Mackey and L. Glass, "Oscillation and Chaos in
Physiological Control Systems", Science 197 (1977), where it stands for the count of white blood cells.
"""

import numpy as np

from tritonkit.evaluation.datasets.dataset import DataSet, Split

AHEAD = 12
"""Steps between what is seen and what is forecast."""
STEPS = 120
DELAY, FINENESS = 17, 10
_WARM_UP = 250


def signals(count: int, steps: int = STEPS, *, seed: int) -> np.ndarray:
    """`count` signals of `steps` samples, one a unit of time, each from a past of its own.

    Integrated by Euler's method in steps of 1/10 from a constant past, the first 250 units left out.

    Returns:
        float32 of shape (count, steps, 1), about 0.2 to 1.4.
    """
    random = np.random.default_rng(seed)
    delay = DELAY * FINENESS
    past = [random.uniform(0.5, 1.3, count)] * (delay + 1)
    for _ in range((_WARM_UP + steps) * FINENESS):
        late, now = past[-delay - 1], past[-1]
        past.append(now + (0.2 * late / (1 + late**10) - 0.1 * now) / FINENESS)
    return np.stack(past[-steps * FINENESS :: FINENESS], axis=1)[:, :, None].astype(np.float32)


def mackey_glass(training: int = 400, test: int = 100) -> DataSet:
    """Signals and, at each of their steps, the value 12 steps later."""

    def split(count: int, seed: int) -> Split:
        longer = signals(count, STEPS + AHEAD, seed=seed)
        return Split(samples=longer[:, :STEPS], targets=longer[:, AHEAD:])

    return DataSet(name="Mackey-Glass, 12 steps ahead", training=split(training, 1), test=split(test, 2))
