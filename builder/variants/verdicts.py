"""Which variants pay. Pure: figures and gates -> verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tritonkit.spec.verdicts import Verdict

if TYPE_CHECKING:
    from tritonkit.spec.gates import AccuracyGate
    from tritonkit.spec.verdicts import VariantFigures


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


def _is_for(figures: VariantFigures, hardware: str) -> bool:
    return figures.hardware in ("", hardware)


def _parity(figures: VariantFigures) -> list[str]:
    return [] if figures.parity else ["parity: an answer lies outside its tolerance"]


def _accuracy(figures: VariantFigures, gate: AccuracyGate) -> list[str]:
    if (cost := figures.accuracy) is not None:
        if cost.drop_points <= gate.max_drop_points:
            return []
        full = 100 * cost.accuracy + cost.drop_points
        lost = (
            f"accuracy {100 * cost.accuracy:.2f} %, {cost.drop_points:.2f} points ({cost.low:.2f} to {cost.high:.2f}) "
            f"below {full:.2f} % of fp32"
        )
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
