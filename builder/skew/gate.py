"""The gate: what the check of skew found, and whether it may be published. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tritonkit.spec.errors import GateError

if TYPE_CHECKING:
    from pathlib import Path

    from tritonkit.spec.skew import SkewReport


def require_little_skew(report: SkewReport, pictures: Path) -> None:
    """Refuses a served preprocessing that lies further from the evaluation's than the gate allows.

    Raises:
        GateError: names the worst picture, what it differs by and what is allowed.
    """
    if report.passed():
        return
    worst = report.worst[0]
    raise GateError(
        f"{report.variant}: the served preprocessing is not source.transform's",
        where=worst.name,
        got=f"a pixel {worst.pixel:.3g} of 255 off, an answer {worst.logit:.3g}"
        + (f"; of {report.samples:,} pictures {report.top1_changes:,} change class" if report.top1_changes else ""),
        expected=f"at most {report.max_pixel_difference:g} of 255, {report.max_logit_difference:g}",
        hint=f"nothing was published; the worst pictures are in {pictures}",
    )
