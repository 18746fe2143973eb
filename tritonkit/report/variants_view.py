"""What became of each variant -> one table, for the page and for a terminal, and the curves of what INT8 costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

from tritonkit.evaluation.axes import number
from tritonkit.evaluation.charts import Series, line_chart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tritonkit.spec.reports import BuildReport, VariantResult
    from tritonkit.spec.verdicts import LayerNoise, Optimisation, Timing

_MOST_LAYERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """A variant's time for a batch.

    Attributes:
        milliseconds: median.
        ratio: full precision's time over it, with its interval; none of full precision itself.
    """

    milliseconds: float
    ratio: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRow:
    """A row of the table.

    Attributes:
        name: the variant.
        precision: its number format.
        megabytes: its size, where it was converted.
        parity: whether artefact and served answers were within their tolerance; none where it came not so far.
        accuracy: on labelled samples, or how much it agrees with full precision; with its interval.
        drop: what it costs in points, with its interval.
        speeds: in the order of the table's `columns`; none where it was not timed.
        state: what became of it.
        said: why not, or what could not be judged here.
    """

    name: str
    precision: str
    megabytes: float | None
    parity: bool | None
    accuracy: str
    drop: str
    speeds: tuple[Speed | None, ...]
    state: Literal["accepted", "refused"]
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """What a variant's layers bear.

    Attributes:
        name: the variant.
        layers: the chart of the signal-to-noise ratio that each layer alone in INT8 leaves.
        mixed: the chart of the agreement by the layers that stay in float; none where none had to.
        most: the most sensitive layers and their ratio in dB; none where the answer stays the same.
        kept: names of the layers that stay in float.
    """

    name: str
    layers: str
    mixed: str | None
    most: tuple[tuple[LayerNoise, float | None], ...]
    kept: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantTable:
    """The variants of a build, side by side.

    Attributes:
        columns: hardware and batch size of each column of times.
        rows: in the order of the spec.
        source: which samples accuracy was measured on and how; empty where it was not.
        sensitivities: of the INT8 variants that were calibrated.
    """

    columns: tuple[tuple[str, int], ...]
    rows: tuple[VariantRow, ...]
    source: str
    sensitivities: tuple[Sensitivity, ...]


def view_table(build: BuildReport) -> VariantTable:
    """The table of `build`, pure: from its report alone."""
    timed = [timing for one in build.variants for timing in _timings(one)]
    columns = tuple(dict.fromkeys((timing.hardware, timing.batch) for timing in timed))
    baseline = {
        column: median(t.baseline_milliseconds for t in timed if (t.hardware, t.batch) == column) for column in columns
    }
    measured = [one.verdict.figures.accuracy for one in build.variants if one.verdict is not None]
    found = next((accuracy for accuracy in measured if accuracy is not None), None)
    return VariantTable(
        columns=columns,
        rows=tuple(_row(one, columns, baseline) for one in build.variants),
        source=f"{found.source}: {found.samples:,} samples, {found.measured}" if found is not None else "",
        sensitivities=tuple(
            _sensitivity(one.name, one.optimisation)
            for one in build.variants
            if one.optimisation is not None and one.optimisation.layers
        ),
    )


def table_cells(table: VariantTable) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows of `table` as plain text."""
    several = len({hardware for hardware, _ in table.columns}) > 1
    times = [f"ms, batch {batch}" + (f" on {hardware}" if several else "") for hardware, batch in table.columns]
    header = ("variant", "precision", "MB", "parity", "accuracy", "drop in points", *times, "verdict")
    return header, [
        (
            row.name,
            row.precision,
            "-" if row.megabytes is None else f"{row.megabytes:.1f}",
            {True: "yes", False: "NO", None: "-"}[row.parity],
            row.accuracy or "-",
            row.drop or "-",
            *("-" if speed is None else speed_text(speed) for speed in row.speeds),
            f"{row.state}: {row.said}" if row.said else row.state,
        )
        for row in table.rows
    ]


def speed_text(speed: Speed) -> str:
    """Milliseconds and, where it is no baseline, how many times as fast."""
    ratio = f" (x{speed.ratio[0]:.2f})" if speed.ratio is not None else ""
    return f"{number(speed.milliseconds, zeros=True)}{ratio}"


def _timings(variant: VariantResult) -> tuple[Timing, ...]:
    return variant.verdict.figures.timings if variant.verdict is not None else ()


def _row(
    variant: VariantResult, columns: Sequence[tuple[str, int]], baseline: Mapping[tuple[str, int], float]
) -> VariantRow:
    verdict = variant.verdict
    accuracy = verdict.figures.accuracy if verdict is not None else None
    agreement = verdict.figures.agreement if verdict is not None else None
    by_column = {(timing.hardware, timing.batch): timing for timing in _timings(variant)}
    is_baseline = variant.precision == "fp32" and verdict is not None and not by_column and verdict.accepted
    if accuracy is not None:
        right = (
            f"{100 * accuracy.accuracy:.2f} % ({100 * accuracy.accuracy_low:.2f}-{100 * accuracy.accuracy_high:.2f})"
        )
    else:
        right = f"{agreement:.2%} as fp32".replace("%", " %") if agreement is not None else ""
    if verdict is None:
        said = (variant.refused or "").partition("\n")[0]
    else:
        said = "; ".join(verdict.reasons)
    return VariantRow(
        name=variant.name,
        precision=variant.precision,
        megabytes=variant.megabytes,
        parity=_parity(variant),
        accuracy=right,
        drop=""
        if accuracy is None or is_baseline
        else f"{accuracy.drop_points:+.2f} ({accuracy.low:+.2f} to {accuracy.high:+.2f})",
        speeds=tuple(
            Speed(milliseconds=baseline[column], ratio=None) if is_baseline else _speed(by_column.get(column))
            for column in columns
        ),
        state="accepted" if variant.refused is None else "refused",
        said=said,
    )


def _parity(variant: VariantResult) -> bool | None:
    reports = (variant.artefact, variant.served)
    if any(report is not None and not report.passed for report in reports):
        return False
    return True if variant.served is not None else None


def _speed(timing: Timing | None) -> Speed | None:
    if timing is None:
        return None
    return Speed(milliseconds=timing.milliseconds, ratio=(timing.ratio, timing.low, timing.high))


def _sensitivity(name: str, done: Optimisation) -> Sensitivity:
    ratios = [_decibels(one.noise) for one in done.layers]
    known = [ratio for ratio in ratios if ratio is not None]
    span = f": from {known[0]:.1f} dB, {done.layers[0].node}, to {known[-1]:.1f} dB" if known else ", all exact"
    return Sensitivity(
        name=name,
        layers=line_chart(
            [
                Series(
                    name=f"{name}: one layer alone in int8",
                    points=tuple((float(rank), ratio) for rank, ratio in enumerate(ratios, start=1)),
                    colour=0,
                )
            ],
            title=f"Signal to noise by layer, {len(done.layers)} layers, the most sensitive first{span}",
            x_label="layers, the most sensitive first",
            y_label="dB",
            markers=True,
        ),
        mixed=_mixed(name, done) if len(done.mixed) > 1 else None,
        most=tuple(zip(done.layers, ratios, strict=True))[:_MOST_LAYERS],
        kept=frozenset(node.node for node in done.kept),
    )


def _decibels(noise: float) -> float | None:
    """Signal-to-noise ratio of a power of noise by power of signal; none without noise."""
    return -10 * math.log10(noise) if noise > 0 else None


def _mixed(name: str, done: Optimisation) -> str:
    return line_chart(
        [
            Series(
                name=f"{name}: answered as in full precision",
                points=tuple((float(point.kept), 100 * point.agreement) for point in done.mixed),
                colour=1,
            )
        ],
        title=f"Agreement with full precision from {number(100 * done.mixed[0].agreement)} % with no layer in float to "
        f"{number(100 * done.mixed[-1].agreement)} % with {done.mixed[-1].kept}",
        x_label="most sensitive layers that stay in float",
        y_label="% of the samples",
        markers=True,
    )
