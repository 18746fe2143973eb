"""How well a score tells a class from the rest, whatever the threshold: ROC curves and the area under them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """The area under an ROC curve.

    Attributes:
        value: probability that a positive sample scores higher than a negative one, ties counted half.
        influence: float64 of shape (N,): what each sample adds to the value's deviation. Its squares sum up to the
            value's variance, and the mean of several classes' influences is that of their mean area.
        rarer: how many samples there are of the kind, positive or negative, that there are fewer of.
    """

    value: float
    influence: np.ndarray
    rarer: int


def roc_area(scores: np.ndarray, positive: np.ndarray) -> Area:
    """The area under the ROC curve, as the Mann-Whitney statistic.

    The influences are the structural components of DeLong, DeLong and Clarke-Pearson, "Comparing the Areas under Two
    or More Correlated Receiver Operating Characteristic Curves", Biometrics 44 (1988), found by ranks.

    Args:
        scores: of shape (N,); the higher, the likelier positive.
        positive: bool of shape (N,), of both kinds at least one.
    """
    high, low = scores[positive], scores[~positive]
    above = _rank(high, low)  # For each positive, the part of the negatives that lie below it.
    below = 1 - _rank(low, high)
    value = float(above.mean())
    influence = np.empty(len(scores))
    influence[positive] = (above - value) / len(high)
    influence[~positive] = (below - value) / len(low)
    return Area(value=value, influence=influence, rarer=min(len(high), len(low)))


def _rank(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each score, the part of `others` that it exceeds, ties counted half."""
    ordered = np.sort(others)
    ranks: np.ndarray = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    return ranks / (2 * len(others))


def roc_curve(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """The corners of the ROC curve.

    Args:
        scores: of shape (N,); the higher, the likelier positive.
        positive: bool of shape (N,), of both kinds at least one.

    Returns:
        float64 of shape (corners, 2): false and true positive rate at each threshold that changes the curve's
        direction, from (0, 0) to (1, 1).
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # Equal scores fall together.
    true = np.cumsum(positive[order])[ends]
    false = 1 + ends - true
    points = np.vstack([[0, 0], np.column_stack([false, true])]).astype(np.int64)
    steps = np.diff(points, axis=0)
    turns = steps[:-1, 0] * steps[1:, 1] != steps[:-1, 1] * steps[1:, 0]
    corners = points[np.concatenate([[True], turns, [True]])]
    rates: np.ndarray = corners / corners[-1]
    return rates
