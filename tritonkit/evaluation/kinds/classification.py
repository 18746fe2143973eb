"""Reference classification postprocessing, in float64: softmax, then the likeliest classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class TopClasses:
    """The likeliest classes of each sample, likeliest first.

    Attributes:
        class_id: int32 of shape (samples, k).
        score: float32 of shape (samples, k), softmax over all classes.
        label: names, (samples, k).
    """

    class_id: np.ndarray
    score: np.ndarray
    label: tuple[tuple[str, ...], ...]


def reference_top_classes(logits: np.ndarray, labels: Sequence[str], top_k: int) -> TopClasses:
    """The `top_k` likeliest classes for `logits`, float32 of shape (samples, classes)."""
    exact = logits.astype(np.float64)
    log_sum = np.logaddexp.reduce(exact, axis=-1, keepdims=True)
    # By (-logit, index): of equal logits the lower class comes first.
    ids = np.lexsort((np.broadcast_to(np.arange(exact.shape[-1]), exact.shape), -exact))[:, :top_k]
    return TopClasses(
        class_id=ids.astype(np.int32),
        score=np.exp(np.take_along_axis(exact, ids, axis=-1) - log_sum).astype(np.float32),
        label=tuple(tuple(labels[index] for index in row) for row in ids.tolist()),
    )
