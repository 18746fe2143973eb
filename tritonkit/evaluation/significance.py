"""How sure a figure is: intervals at 95 % confidence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIDENCE = 0.95
RESAMPLES = 2000
_NUMBERS_AT_ONCE = 4_000_000
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

    Args:
        value: above 0 and below 1; at either end the logit has no interval.
        variance: of the value.
    """
    middle = math.log(value / (1 - value))
    half = _Z * math.sqrt(variance) / (value * (1 - value))
    low, high = (1 / (1 + math.exp(-max(-700.0, min(700.0, middle + side)))) for side in (-half, half))
    return low, high


def resample(counts: np.ndarray, figure: Callable[[np.ndarray], np.ndarray], seed: int = 0) -> np.ndarray:
    """Bootstrap: `figure` of as many samples as there are, drawn again with replacement, RESAMPLES times.

    Args:
        counts: how many samples there are of each sort, non-negative integers of any shape: ones for samples that all
            differ, a confusion matrix where truth and answer are all that counts of a sample. Drawing the samples
            themselves comes to the same as drawing these counts from a multinomial distribution.
        figure: such counts, with a leading dimension of resamples -> the figure of each, of shape (resamples, ...).
        seed: of the draws.

    Returns:
        the figure in each resample, of shape (RESAMPLES, ...).
    """
    random, total = np.random.default_rng(seed), int(counts.sum())
    at_once = max(1, _NUMBERS_AT_ONCE // counts.size)
    parts = []
    for start in range(0, RESAMPLES, at_once):
        drawn = random.multinomial(total, counts.ravel() / total, size=min(at_once, RESAMPLES - start))
        parts.append(figure(drawn.reshape(-1, *counts.shape)))
    return np.concatenate(parts)


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
