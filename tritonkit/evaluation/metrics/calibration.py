"""Whether a classifier is right as often as it says that it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Answers by how sure they were, in bins of equal width.

    Attributes:
        count: answers in each bin, int64 of shape (bins,).
        confidence: their mean confidence; 0 in an empty bin.
        accuracy: the part of them that is right; 0 in an empty bin.
        error: expected calibration error: the mean over all answers of |accuracy - confidence| of their bin.
    """

    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    error: float


def reliability(confidence: np.ndarray, right: np.ndarray, *, bins: int = 10) -> Reliability:
    """Puts answers into bins by confidence: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.

    Args:
        confidence: probability that each answer gave itself, of shape (N,), from 0 to 1.
        right: whether it was right, bool of shape (N,).
        bins: how many, of equal width from 0 to 1.
    """
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    filled = np.maximum(count, 1)
    said = np.bincount(place, weights=confidence, minlength=bins) / filled
    found = np.bincount(place, weights=right, minlength=bins) / filled
    return Reliability(
        count=count, confidence=said, accuracy=found, error=float(count @ np.abs(found - said) / len(confidence))
    )
