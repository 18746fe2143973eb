"""Reference tabular preprocessing, in float64: what a spec's `preprocess: {kind: tabular}` means."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tritonkit.spec.model import Column, TabularPreprocess


def reference_vector(row: Mapping[str, Any], spec: TabularPreprocess) -> np.ndarray:
    """The network's input for one row: float32 of shape (width,).

    Raises:
        ValueError: a number is missing, or a text is none of its categories, and the spec has no word for it.
    """
    elements = [element for column in spec.columns for element in _elements(row[column.name], column)]
    return np.array(elements, np.float64).astype(np.float32)


def _elements(value: Any, column: Column) -> list[float]:
    if column.categories:
        text = value.decode() if isinstance(value, bytes) else str(value)
        if text not in column.categories and column.unknown == "refuse":
            raise ValueError(f"{column.name}: {text!r} is none of {', '.join(column.categories)}")
        return [float(text == category) for category in column.categories]
    number = float(value)
    if math.isnan(number):
        if column.missing is None:
            raise ValueError(f"{column.name}: the number is missing")
        number = column.missing
    return [(number - column.mean) / column.std]
