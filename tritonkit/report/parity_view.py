"""Parity reports -> the tables and the plot of the page's parity section."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tritonkit.evaluation.charts import Dot, tolerance_chart
from tritonkit.report.verdict import comparisons_of
from tritonkit.report.wording import PROTOCOL_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tritonkit.spec.golden import Level
    from tritonkit.spec.model import Tolerance
    from tritonkit.spec.parity import Comparison, Protocol
    from tritonkit.spec.reports import BuildReport, VariantResult

# Title and meaning of each level, in the order of the pipeline.
LEVELS: dict[Level, tuple[str, str]] = {
    "artefact": ("Artefact", "The converted model against the original weights."),
    "preprocess": ("Preprocessing", "The served preprocessing against the transform of the evaluation."),
    "served": ("Served model", "The served model's raw outputs against the same file in process."),
    "end_to_end": ("End to end", "Request bytes through the live ensemble against the original weights."),
}

_COLOURS = {"grpc": 0, "http": 1, "in process": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Comparisons that came out the same to the last digit, as a deterministic model's do.

    Attributes:
        protocols: how they were asked.
        batches: at which batch sizes, by each of the protocols.
        found: what each of them found.
    """

    protocols: tuple[Protocol, ...]
    batches: tuple[int, ...]
    found: Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelTable:
    """The comparisons of one level.

    Attributes:
        level: what is held against what.
        title: its name for a reader.
        meaning: one sentence on it.
        models: the models that answered.
        comparisons: its comparisons, by output, protocol and batch size.
        rows: the same, those that do not differ put together.
        tolerances: output and what was allowed, each once.
        worst: the comparison that used most of its tolerance.
        failed: how many failed.
    """

    level: Level
    title: str
    meaning: str
    models: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    rows: tuple[Row, ...]
    tolerances: tuple[tuple[str, Tolerance | None], ...]
    worst: Comparison
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantView:
    """All that parity found out about one variant.

    Attributes:
        result: the document.
        state: `unserved` where nothing failed, but no live server was asked.
        levels: the levels that were compared; one that was not reached is absent.
        chart: SVG of all comparisons, or none where there are none.
    """

    result: VariantResult
    state: Literal["passed", "failed", "unserved"]
    levels: tuple[LevelTable, ...]
    chart: str | None


def view_variants(build: BuildReport) -> tuple[VariantView, ...]:
    """A view of each variant, the one that the ensemble calls first."""
    return tuple(_view(variant) for variant in sorted(build.variants, key=lambda one: one.name != build.variant))


def _view(variant: VariantResult) -> VariantView:
    compared = comparisons_of(variant)
    levels = tuple(
        _table(level, [comparison for comparison in compared if comparison.level == level])
        for level in LEVELS
        if any(comparison.level == level for comparison in compared)
    )
    return VariantView(
        result=variant,
        state=_state(variant),
        levels=levels,
        chart=_chart(variant.name, levels) if levels else None,
    )


def _state(variant: VariantResult) -> Literal["passed", "failed", "unserved"]:
    reports = [report for report in (variant.artefact, variant.served) if report is not None]
    if not all(report.passed and all(one.passed for one in report.comparisons) for report in reports):
        return "failed"
    return "passed" if variant.served is not None and variant.served.comparisons else "unserved"


def _table(level: Level, compared: Sequence[Comparison]) -> LevelTable:
    title, meaning = LEVELS[level]
    ordered = tuple(sorted(compared, key=lambda one: (one.output, _COLOURS[one.protocol], one.batch)))
    return LevelTable(
        level=level,
        title=title,
        meaning=meaning,
        models=tuple(dict.fromkeys(one.model for one in ordered)),
        comparisons=ordered,
        rows=_rows(ordered),
        tolerances=tuple(dict.fromkeys((one.output, one.tolerance) for one in ordered)),
        worst=max(ordered, key=lambda one: one.used),
        failed=sum(not one.passed for one in ordered),
    )


def _rows(ordered: Sequence[Comparison]) -> tuple[Row, ...]:
    """Puts the batch sizes of a protocol together, then the protocols, where all that was found is the same."""
    alike: dict[Comparison, dict[Protocol, list[int]]] = {}
    for one in ordered:
        finding = one.model_copy(update={"model": "", "protocol": "grpc", "batch": 0})
        alike.setdefault(finding, {}).setdefault(one.protocol, []).append(one.batch)
    rows: list[Row] = []
    for finding, by_protocol in alike.items():
        by_batches: dict[tuple[int, ...], list[Protocol]] = {}
        for protocol, batches in by_protocol.items():
            by_batches.setdefault(tuple(batches), []).append(protocol)
        rows += [
            Row(protocols=tuple(protocols), batches=batches, found=finding) for batches, protocols in by_batches.items()
        ]
    return tuple(rows)


def _chart(variant: str, levels: Sequence[LevelTable]) -> str:
    compared = [(table, one) for table in levels for one in table.comparisons]
    failed = sum(table.failed for table in levels)
    dots = [
        Dot(
            lane=table.title,
            name=f"{one.output}, {PROTOCOL_NAMES[one.protocol]}, batch {one.batch}",
            used=one.used,
            colour=_COLOURS[one.protocol],
            failed=not one.passed,
        )
        for table, one in compared
    ]
    return tolerance_chart(
        dots,
        title=f"Part of the tolerance that each of the {len(compared)} comparisons of {variant} used; {failed} failed",
    )
