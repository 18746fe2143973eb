"""Which variants pay. Pure: figures and gates -> verdicts -> a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tritonkit.spec.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tritonkit.spec.gates import AccuracyGate
    from tritonkit.spec.verdicts import VariantFigures

_HEADER = ("variant", "precision", "MB", "parity", "accuracy", "ms", "verdict")


def judge(figures: VariantFigures, gate: AccuracyGate, *, batch: int) -> Verdict:
    """Accepts a variant, or refuses it with both figures of each thing that it fails.

    Speed is judged where it was measured on the hardware that the variant is for; elsewhere it is not judged.

    Args:
        figures: what was measured.
        gate: what a variant may cost.
        batch: the batch size that speed is judged at.
    """
    refused = [*_parity(figures), *_accuracy(figures, gate), *_speed(figures, batch)]
    judged_here = any(_is_for(figures, timing.hardware) and timing.batch == batch for timing in figures.timings)
    full = figures.precision == "fp32"
    notes = [] if judged_here or full else [f"speed not judged here: {figures.hardware or 'nothing was timed'}"]
    return Verdict(figures=figures, accepted=not refused, reasons=(*refused, *notes))


def table(verdicts: Sequence[Verdict]) -> str:
    """The verdicts as plain text, one row each."""
    rows = [_HEADER, *(_row(verdict) for verdict in verdicts)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True)), row[-1]]) for row in rows
    )


def _is_for(figures: VariantFigures, hardware: str) -> bool:
    return figures.hardware in ("", hardware)


def _parity(figures: VariantFigures) -> list[str]:
    return [] if figures.parity else ["parity: an answer lies outside its tolerance"]


def _accuracy(figures: VariantFigures, gate: AccuracyGate) -> list[str]:
    if (cost := figures.accuracy) is not None:
        if cost.drop_points <= gate.max_drop_points:
            return []
        full = 100 * cost.accuracy + cost.drop_points
        lost = f"accuracy {100 * cost.accuracy:.2f} %, {cost.drop_points:.2f} points below {full:.2f} % of fp32"
        return [f"{lost}; at most {gate.max_drop_points:g} are allowed"]
    if figures.agreement is not None and figures.agreement < gate.min_agreement:
        return [f"agreement with fp32 {figures.agreement:.2%}; at least {gate.min_agreement:.2%} is required"]
    return []


def _speed(figures: VariantFigures, batch: int) -> list[str]:
    return [
        f"slower at batch {timing.batch} on {timing.hardware}: {timing.milliseconds:.2f} ms, "
        f"fp32 {timing.baseline_milliseconds:.2f} ms"
        for timing in figures.timings
        # Slower for sure: the whole interval lies below 1. What noise could explain refuses nobody.
        if timing.batch == batch and _is_for(figures, timing.hardware) and timing.high < 1
    ]


def _row(verdict: Verdict) -> tuple[str, ...]:
    one = verdict.figures
    if one.accuracy is not None:
        accuracy = (
            f"{100 * one.accuracy.accuracy:.2f} %, drop {one.accuracy.drop_points:+.2f} "
            f"({one.accuracy.low:+.2f} to {one.accuracy.high:+.2f})"
        )
    else:
        accuracy = "-" if one.agreement is None else f"{one.agreement:.2%} as fp32"
    times = "; ".join(
        f"{timing.milliseconds:.2f} (x{timing.ratio:.2f}) batch {timing.batch}, {timing.hardware}"
        for timing in one.timings
    )
    said = "; ".join(verdict.reasons)
    outcome = "accepted" if verdict.accepted else "refused"
    return (
        one.variant,
        one.precision,
        f"{one.megabytes:.1f}",
        "yes" if one.parity else "NO",
        accuracy,
        times or "-",
        f"{outcome}: {said}" if said else outcome,
    )
