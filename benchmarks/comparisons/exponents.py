"""How a figure grows with a size: the exponent, and where the growth changes. Pure."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_BEND = 0.25
"""A smaller change of the exponent is within what short runs make of a straight line."""


def exponent(sizes: Sequence[float], figures: Sequence[float]) -> float:
    """The k of figure ~ size^k: the slope of the least-squares line through the logarithms.

    Args:
        sizes: two or more, positive and not all the same.
        figures: one for each, positive.
    """
    xs, ys = [math.log(size) for size in sizes], [math.log(figure) for figure in figures]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / sum((x - x_mean) ** 2 for x in xs)


def steps(sizes: Sequence[float], figures: Sequence[float]) -> list[float]:
    """The exponent between each size and the next."""
    return [exponent(pair, values) for pair, values in zip(*map(itertools.pairwise, (sizes, figures)), strict=True)]


def bend(sizes: Sequence[float], figures: Sequence[float]) -> float | None:
    """The size at which the exponent changes most; none where it nowhere changes by LEAST_BEND."""
    slopes = steps(sizes, figures)
    changes = [abs(after - before) for before, after in itertools.pairwise(slopes)]
    if not changes or max(changes) < LEAST_BEND:
        return None
    return sizes[1 + changes.index(max(changes))]
