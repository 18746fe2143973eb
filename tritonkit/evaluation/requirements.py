"""Bounds that an evaluation has to keep: `accuracy>0.893,macro_f1>0.901`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tritonkit.spec.errors import InputError
from tritonkit.spec.evaluation import Requirement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tritonkit.spec.evaluation import Figures

# The figures that a bound can be set on, as the documents call them.
FIGURES = {
    "classification": ("accuracy", "macro_precision", "macro_recall", "macro_f1", "macro_auc"),
    "regression": ("mse", "mae", "r2"),
}

_TERM = re.compile(r"(?P<figure>\w+)\s*(?P<sign>[<>])\s*(?P<limit>-?\d+(\.\d+)?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One bound.

    Attributes:
        text: as it was given.
        figure: one of `FIGURES`.
        upper: whether the figure must stay below the limit, rather than above.
        limit: the limit, which itself is not good.
    """

    text: str
    figure: str
    upper: bool
    limit: float


def parse_bounds(text: str, task: str) -> tuple[Bound, ...]:
    """The bounds of `text`, joined by commas; an empty text has none.

    Args:
        text: such as `accuracy>0.893`.
        task: a key of `FIGURES`.

    Raises:
        InputError: a term is no bound, or on a figure that the task does not have.
    """
    return tuple(_parse(term.strip(), task) for term in text.split(",") if term.strip())


def _parse(term: str, task: str) -> Bound:
    names = FIGURES[task]
    found = _TERM.fullmatch(term)
    if found is None or found["figure"] not in names:
        raise InputError(
            f"this is no bound on a {task}'s figures",
            got=repr(term),
            expected=f"FIGURE>NUMBER or FIGURE<NUMBER with one of {', '.join(names)}",
        )
    return Bound(text=term, figure=found["figure"], upper=found["sign"] == "<", limit=float(found["limit"]))


def judge(figures: Figures, bounds: Sequence[Bound]) -> tuple[Requirement, ...]:
    """Whether `figures` keep each of `bounds`; a figure that there is not keeps none."""
    return tuple(_judge(figures, bound) for bound in bounds)


def _judge(figures: Figures, bound: Bound) -> Requirement:
    estimate = getattr(figures, bound.figure)
    got = None if estimate is None else estimate.value
    met = got is not None and (got < bound.limit if bound.upper else got > bound.limit)
    return Requirement(text=bound.text, got=got, met=met)
