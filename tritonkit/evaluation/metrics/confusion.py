"""What a table of truths against answers says: precision, recall, F1.

Every function takes one table, or any number of them at once in leading dimensions, as resampling makes them.
"""

from __future__ import annotations

import numpy as np


def confusion_matrix(truth: np.ndarray, chosen: np.ndarray, classes: int) -> np.ndarray:
    """How often each class was taken for each.

    Args:
        truth: class numbers, integers of shape (N,).
        chosen: those that were answered, of the same shape.
        classes: how many there are.

    Returns:
        int64 of shape (classes, classes): the row is the truth, the column the answer.
    """
    cells = np.bincount(truth.astype(np.int64) * classes + chosen.astype(np.int64), minlength=classes * classes)
    return cells.reshape(classes, classes)


def precision(confusion: np.ndarray) -> np.ndarray:
    """Of the answers that name a class, the part that is right; (..., C, C) -> (..., C). 0 for a class never named."""
    return _ratio(_right(confusion), confusion.sum(axis=-2))


def recall(confusion: np.ndarray) -> np.ndarray:
    """Of the samples of a class, the part that was found; (..., C, C) -> (..., C). 0 for a class without samples."""
    return _ratio(_right(confusion), confusion.sum(axis=-1))


def f1(confusion: np.ndarray) -> np.ndarray:
    """Harmonic mean of precision and recall; (..., C, C) -> (..., C). 0 for a class neither named nor there."""
    return _ratio(2 * _right(confusion), confusion.sum(axis=-2) + confusion.sum(axis=-1))


def _right(confusion: np.ndarray) -> np.ndarray:
    return np.diagonal(confusion, axis1=-2, axis2=-1)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    ratio: np.ndarray = np.divide(part, whole, out=np.zeros(np.shape(whole)), where=np.asarray(whole) > 0)
    return ratio
