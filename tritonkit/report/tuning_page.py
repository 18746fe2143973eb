"""A search over settings -> one self-contained HTML page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tritonkit.evaluation.charts import Series, line_chart
from tritonkit.report.page import render

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tritonkit.spec.tuning import RateStep, Setting, TunedPoint, TuningReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One setting of the page's table, the winner first.

    Attributes:
        setting: the setting.
        rate: mean over its looks of the highest rate that met the objective; 0 if none did.
        looks: how often it was looked at.
        why: why it won, or why it lost.
    """

    setting: Setting
    rate: float
    looks: int
    why: str


def draw_tuning(report: TuningReport, rows: Sequence[Row], *, limit_ms: float | None) -> str:
    """One HTML page on `report`; it needs no network and, to be read, no JavaScript.

    Args:
        report: the search.
        rows: every setting that was looked at, in the order of merit.
        limit_ms: the latency that the objective allows.
    """
    return render("tuning.html.j2", report=report, rows=rows, chart=_pareto_chart(report, limit_ms))


def _pareto_chart(report: TuningReport, limit_ms: float | None) -> str:
    """Rate against p99, a dot for each rate that was held; the front is what no other setting betters in both."""
    steps = [step for point in report.points for step in point.steps]
    own = [step for point in _of(report.points, report.winner) for step in point.steps]
    front = pareto_front(steps)
    series = [
        Series(name="every rate tried", points=_scattered(steps), colour=2),
        Series(name="best of all", points=tuple((s.answered, s.p99) for s in front), colour=0),
        Series(name="winner", points=_scattered(own), colour=1),
    ]
    if limit_ms is not None and steps:
        ends = (0.0, max(step.answered for step in steps))
        series.append(Series(name="objective", points=tuple((x, limit_ms) for x in ends), colour=4))
    return line_chart(
        series,
        title="99th percentile of the latency against the rate that was answered, for every setting that was tried; "
        f"{len(front)} of {len(steps)} are bettered by none in both",
        x_label="answers a second",
        y_label="p99 in ms",
        height=300,
        markers=True,
    )


def pareto_front(steps: Iterable[RateStep]) -> list[RateStep]:
    """The steps that no other betters in both rate and p99, by rising rate."""
    front: list[RateStep] = []
    for step in sorted(steps, key=lambda one: (-one.answered, one.p99)):
        if not front or step.p99 < front[-1].p99:
            front.append(step)
    return front[::-1]


def _of(points: Iterable[TunedPoint], setting: Setting | None) -> list[TunedPoint]:
    return [point for point in points if point.setting == setting]


def _scattered(steps: Iterable[RateStep]) -> tuple[tuple[float, float | None], ...]:
    """Points with a gap after each, so that no line joins them."""
    return tuple(point for step in steps for point in ((step.answered, step.p99), (step.answered, None)))
