"""How sure a figure is: intervals at 95 % confidence."""

from __future__ import annotations

import math

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 2000
_Z = 1.959963984540054
"""The normal distribution's 97.5th percentile."""


def wilson_interval(successes: float, trials: int) -> tuple[float, float]:
    """Interval of a proportion: Wilson, "Probable Inference", Journal of the American Statistical Association 22 (1927).

    Without a trial anything is possible: (0, 1).
    """
    if trials == 0:
        return 0.0, 1.0
    part, width = successes / trials, _Z**2 / trials
    middle = (part + width / 2) / (1 + width)
    half = _Z * math.sqrt(part * (1 - part) / trials + width / (4 * trials)) / (1 + width)
    return max(0.0, middle - half), min(1.0, middle + half)


def logit_interval(value: float, variance: float) -> tuple[float, float]:
    """Interval of a probability with this variance, normal on the logit's scale, so that it stays between 0 and 1.

    At 0 and at 1, where nothing varied, it is the value itself.
    """
    if not 0 < value < 1:
        return value, value
    middle = math.log(value / (1 - value))
    half = _Z * math.sqrt(variance) / (value * (1 - value))
    low, high = (1 / (1 + math.exp(-max(-700.0, min(700.0, middle + side)))) for side in (-half, half))
    return low, high


def resampled_tables(confusion: np.ndarray, seed: int = 0) -> np.ndarray:
    """Bootstrap of a confusion matrix: as many samples, drawn again, RESAMPLES times.

    A matrix says all of a sample that figures of it depend on, so a multinomial draw of its cells is the bootstrap.

    Args:
        confusion: integers of shape (C, C).
        seed: of the draws.

    Returns:
        int64 of shape (RESAMPLES, C, C).
    """
    total = int(confusion.sum())
    drawn = np.random.default_rng(seed).multinomial(total, confusion.ravel() / total, size=RESAMPLES)
    return drawn.reshape(RESAMPLES, *confusion.shape)


def resampled_weights(samples: int, seed: int = 0) -> np.ndarray:
    """Bootstrap of so many samples: how often each is drawn, int64 of shape (RESAMPLES, samples)."""
    return np.random.default_rng(seed).multinomial(samples, np.full(samples, 1 / samples), size=RESAMPLES)


def percentile_interval(replicates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The interval that holds CONFIDENCE of the replicates: Efron, "Bootstrap Methods", Annals of Statistics 7 (1979).

    Args:
        replicates: the figure in each resample, of shape (RESAMPLES, ...).

    Returns:
        Low and high end, each of shape (...).
    """
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail], axis=0)
    return low, high
