"""An evaluation's figures -> what its page shows: tiles, charts, the commonest confusions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tritonkit.evaluation.axes import number
from tritonkit.evaluation.charts import Series, line_chart
from tritonkit.evaluation.metric_charts import Interval, confusion_chart, interval_chart, roc_chart, scatter_chart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tritonkit.spec.evaluation import ClassFigures, ClassificationFigures, Estimate, Figures, RegressionFigures

MOST_DRAWN = 20
"""Classes that a chart has room for; of more, the hardest are drawn."""

LEAST_IN_BIN = 20
"""Of fewer answers the part that is right says nothing."""

_CONFUSIONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A figure at the top of the page: its name and its value with interval, in the figure's own unit."""

    name: str
    estimate: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """One class taken for another: how often, and of how many."""

    truth: str
    answer: str
    count: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RocCurve:
    """The class, its area, and its curve as SVG."""

    name: str
    area: Estimate
    chart: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationView:
    """What the page shows of the figures; charts are SVG, and none where there is nothing to draw."""

    tiles: tuple[Tile, ...]
    classes: str | None = None
    confusion: str | None = None
    confusions: tuple[Confusion, ...] = ()
    curves: tuple[RocCurve, ...] = ()
    calibration: str | None = None
    rare_bins: bool = False
    scatter: str | None = None


def view_evaluation(figures: Figures) -> EvaluationView:
    """The view of `figures`."""
    return _classification(figures) if figures.task == "classification" else _regression(figures)


def _classification(figures: ClassificationFigures) -> EvaluationView:
    hardest = sorted(figures.classes, key=lambda one: one.f1.value)[:MOST_DRAWN]
    drawn = [one for one in figures.classes if one in hardest]
    return EvaluationView(
        tiles=(
            Tile(name="Accuracy", estimate=figures.accuracy),
            Tile(name="Macro precision", estimate=figures.macro_precision),
            Tile(name="Macro recall", estimate=figures.macro_recall),
            Tile(name="Macro F1", estimate=figures.macro_f1),
            Tile(name="Macro AUC", estimate=figures.macro_auc),
        ),
        classes=_classes(drawn),
        confusion=_confusion(figures) if len(figures.classes) <= MOST_DRAWN else None,
        confusions=_confusions(figures),
        curves=tuple(
            RocCurve(name=one.name, area=one.auc, chart=_curve(one, one.auc)) for one in drawn if one.auc is not None
        ),
        calibration=_calibration(figures),
        rare_bins=any(one.count < LEAST_IN_BIN for one in figures.calibration),
    )


def _regression(figures: RegressionFigures) -> EvaluationView:
    return EvaluationView(
        tiles=(
            Tile(name="Mean squared error", estimate=figures.mse),
            Tile(name="Mean absolute error", estimate=figures.mae),
            Tile(name="R\N{SUPERSCRIPT TWO}", estimate=figures.r2),
        ),
        scatter=_scatter(figures),
    )


def _classes(drawn: Sequence[ClassFigures]) -> str:
    return interval_chart(
        [(one.name, [_interval(one.precision), _interval(one.recall)]) for one in drawn],
        series=("precision", "recall"),
        title="Precision and recall of each class: "
        + "; ".join(f"{one.name} {number(one.precision.value)} and {number(one.recall.value)}" for one in drawn),
        x_label="with 95 % intervals",
    )


def _interval(estimate: Estimate) -> Interval:
    return Interval(value=estimate.value, low=estimate.low, high=estimate.high)


def _confusion(figures: ClassificationFigures) -> str:
    right = sum(row[place] for place, row in enumerate(figures.confusion))
    return confusion_chart(
        [one.name for one in figures.classes],
        figures.confusion,
        title=f"Truth against answer: {right:,} of {sum(map(sum, figures.confusion)):,} on the diagonal",
    )


def _confusions(figures: ClassificationFigures) -> tuple[Confusion, ...]:
    names = [one.name for one in figures.classes]
    found = [
        Confusion(truth=truth, answer=answer, count=count, of=sum(row))
        for truth, row in zip(names, figures.confusion, strict=True)
        for answer, count in zip(names, row, strict=True)
        if count and answer != truth
    ]
    return tuple(sorted(found, key=lambda one: -one.count)[:_CONFUSIONS])


def _curve(one: ClassFigures, area: Estimate) -> str:
    return roc_chart(
        [(point.false_positive, point.true_positive) for point in one.roc],
        title=f"ROC curve of {one.name} against the rest, area {number(area.value, 4)}",
    )


def _calibration(figures: ClassificationFigures) -> str:
    points = tuple(
        (100 * one.confidence, 100 * one.accuracy.value) for one in figures.calibration if one.count >= LEAST_IN_BIN
    )
    return line_chart(
        [
            Series(name="as sure as right", points=((0.0, 0.0), (100.0, 100.0)), colour=2),
            Series(name="answers", points=points, colour=0),
        ],
        title="Part of the answers that is right, by how sure they were: "
        + "; ".join(f"{number(sure)} % sure, {number(right)} % right" for sure, right in points),
        x_label="confidence in %",
        y_label="right in %",
        x_ticks=[(float(part), str(part)) for part in (0, 20, 40, 60, 80, 100)],
        height=260,
        markers=True,
    )


def _scatter(figures: RegressionFigures) -> str:
    return scatter_chart(figures.pairs, title=f"Answer against truth, {len(figures.pairs)} values; dotted: equal")
