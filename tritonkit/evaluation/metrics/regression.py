"""How far numbers lie from the truth: MSE, MAE, R2.

Every function takes a weight for each sample, or any number of such weightings at once in leading dimensions, as
resampling makes them; equal weights give the figures of the samples as they are.
"""

from __future__ import annotations

import numpy as np


def mean_squared_error(truth: np.ndarray, answer: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of (answer - truth)**2 over samples and elements, in the target's unit squared.

    Args:
        truth: of shape (N, ...).
        answer: of the same shape.
        weights: of shape (..., N), at least one of each weighting above 0.

    Returns:
        float64 of shape (...).
    """
    return _mean(_by_sample((answer - truth) ** 2), weights)


def mean_absolute_error(truth: np.ndarray, answer: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of |answer - truth| over samples and elements, in the target's unit; arguments as above."""
    return _mean(_by_sample(np.abs(answer - truth)), weights)


def r2(truth: np.ndarray, answer: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Coefficient of determination: 1 - squared error / squared deviation from the truth's own mean.

    1 is perfect, 0 as good as always answering the mean. Targets of several elements: the mean of the elements' R2.
    Not a number where the truth does not vary. Arguments as above.
    """
    flat = truth.reshape(len(truth), -1).astype(np.float64)
    squares = (answer.reshape(flat.shape) - flat) ** 2
    total = weights.sum(axis=-1, keepdims=True)
    mean = weights @ flat / total
    spread = weights @ flat**2 / total - mean**2
    with np.errstate(invalid="ignore", divide="ignore"):
        found: np.ndarray = 1 - (weights @ squares / total) / np.where(spread > 0, spread, np.nan)
    mean_of_elements: np.ndarray = found.mean(axis=-1)
    return mean_of_elements


def _by_sample(values: np.ndarray) -> np.ndarray:
    per_sample: np.ndarray = values.reshape(len(values), -1).astype(np.float64).mean(axis=1)
    return per_sample


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    mean: np.ndarray = weights @ values / weights.sum(axis=-1)
    return mean
