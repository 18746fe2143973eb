"""Reference classification postprocessing, on torch: softmax, then the likeliest classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

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
    scores, ids = torch.from_numpy(logits).softmax(-1).topk(top_k, dim=-1)
    return TopClasses(
        class_id=ids.numpy().astype(np.int32),
        score=scores.numpy(),
        label=tuple(tuple(labels[index] for index in row) for row in ids.tolist()),
    )
