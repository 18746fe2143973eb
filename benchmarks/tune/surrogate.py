"""What the looks so far say of every setting: a Gaussian process over the axes. Pure numpy.

Few looks go far where the prior knows how servers behave. The logarithm of a setting's rate is taken to be a sum: an
effect of each axis by itself, in which neighbours on the axis are alike; one of instances and threads together, which
share the cores; and a small one of the setting alone. Formulas: Rasmussen and Williams, "Gaussian Processes for Machine
Learning" (2006), equations 2.25 and 2.26; expected improvement: Jones, Schonlau and Welch, "Efficient Global
Optimization of Expensive Black-Box Functions" (1998), equation 15.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.tune.space import Space
    from tritonkit.spec.tuning import Setting

    Array = np.ndarray[Any, np.dtype[np.float64]]

# Standard deviations of the logarithm of a rate: 0.1 is about ten per cent.
AXIS = 0.15
INSTANCES_AND_THREADS = 0.12
SETTING = 0.06
NOISE = 0.04
_LEVEL = 0.3
_REACH = 1.5
"""Over how many places of an axis likeness fades to a third."""
_WORST = 0.25
"""What a setting that failed counts at least, of the best rate: how badly it failed says nothing of its neighbours."""


def positions(space: Space, settings: Sequence[Setting]) -> Array:
    """The place of each setting on each axis: shape (settings, axes)."""
    places = [[values.index(getattr(setting, name)) for name, values in space.axes.items()] for setting in settings]
    return np.array(places, dtype=np.float64)


def covariance(space: Space, first: Array, second: Array) -> Array:
    """How alike the rates of two lists of `positions` are taken to be: shape (first, second)."""
    total = np.full((len(first), len(second)), _LEVEL**2)
    alike: dict[str, Array] = {}
    for axis, name in enumerate(space.axes):
        apart = np.abs(first[:, axis, None] - second[None, :, axis])
        # Variants stand in no order.
        alike[name] = (apart == 0).astype(np.float64) if name == "variant" else np.exp(-apart / _REACH)
        total += AXIS**2 * alike[name]
    total += INSTANCES_AND_THREADS**2 * alike["instances"] * alike["threads"]
    total += SETTING**2 * np.prod(list(alike.values()), axis=0)
    return total


def posterior(space: Space, looked: Array, rates: Sequence[float], asked: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of the logarithm of the rate at the positions `asked`.

    Args:
        space: the axes.
        looked: positions of the settings that were looked at, one or more.
        rates: what each of them promised; 0 for one that failed.
        asked: positions to tell of.
    """
    values = _logarithms(rates)
    level = values.mean()
    known = covariance(space, looked, looked) + NOISE**2 * np.eye(len(looked))
    across = covariance(space, looked, asked)
    weights = np.linalg.solve(known, across)
    own = _LEVEL**2 + len(space.axes) * AXIS**2 + INSTANCES_AND_THREADS**2 + SETTING**2
    variance = own - np.einsum("ij,ij->j", across, weights)
    return level + weights.T @ (values - level), np.sqrt(np.maximum(variance, 1e-12))


def _logarithms(rates: Sequence[float]) -> Array:
    best = max(rates)
    if best <= 0:
        return np.zeros(len(rates))
    values: Array = np.log(np.maximum(np.array(rates), _WORST * best))
    return values


def expected_improvement(mean: Array, deviation: Array, best: float) -> Array:
    """By how much each setting is expected to exceed `best`; all in logarithms of rates."""
    z = (mean - best) / deviation
    below = np.array([0.5 * (1 + math.erf(one / math.sqrt(2))) for one in z])
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    improvement: Array = deviation * (z * below + density)
    return improvement
