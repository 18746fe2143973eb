"""Are these the answers? Pure: arrays and tolerances -> comparisons."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tritonkit.evaluation.agreement import Agreement, measure_agreement
from tritonkit.spec.gates import Tolerance
from tritonkit.spec.parity import Comparison

if TYPE_CHECKING:
    from tritonkit.spec.golden import Level
    from tritonkit.spec.parity import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked, of whom and how.

    Attributes:
        level: what is held against what.
        model: the model that answered.
        output: the output tensor.
        protocol: the way in.
        batch: samples in a request.
        samples: name of each sample.
    """

    level: Level
    model: str
    output: str
    protocol: Protocol
    batch: int
    samples: tuple[str, ...]


def compare(
    asked: Asked, got: np.ndarray, want: np.ndarray, tolerance: Tolerance | None, firm: np.ndarray | None = None
) -> Comparison:
    """Compares one output over all samples.

    Args:
        asked: what was asked.
        got: answers; numbers or, as an object array, text. The first axis counts samples.
        want: references, of the same shape.
        tolerance: how far off is still equal; `None` is exact equality.
        firm: where False, the reference is so near to a tie that it does not bind; `None` binds everywhere.
    """
    agreement, problem = _judge(asked, got, want, tolerance, firm)
    return Comparison(
        level=asked.level,
        model=asked.model,
        output=asked.output,
        protocol=asked.protocol,
        batch=asked.batch,
        samples=len(asked.samples),
        worst_absolute=min(agreement.worst_absolute, _MOST),
        worst_relative=min(agreement.worst_relative, _MOST),
        least_cosine=agreement.least_cosine,
        top1_agreement=agreement.top1_agreement,
        used=min(agreement.used, _MOST),
        tolerance=tolerance,
        worst_sample=asked.samples[agreement.worst[0]],
        passed=problem is None,
        problem=problem,
    )


def compare_pictures(asked: Asked, got: np.ndarray, want: np.ndarray, levels: int) -> Comparison:
    """Compares one output of encoded pictures, pixel by pixel.

    Args:
        asked: what was asked.
        got: encoded pictures; the first axis counts samples.
        want: references, of the same shape.
        levels: how many of 255 levels a pixel may be off.
    """
    if got.shape != want.shape:
        return compare(asked, got, want, None)
    apart = np.vectorize(_levels_apart, otypes=[np.float64])(got, want)
    allowed = Tolerance(absolute=levels, relative=0, cosine=-1, reason="levels of a pixel")
    return compare(asked, apart, np.zeros_like(apart), allowed)


def _levels_apart(got: bytes, want: bytes) -> float:
    """How far the pixel of two pictures that differs most is off; of another size or kind, infinitely."""
    try:
        with Image.open(io.BytesIO(got)) as left, Image.open(io.BytesIO(want)) as right:
            if left.size != right.size or left.mode != right.mode:
                return np.inf
            return float(np.abs(np.asarray(left, np.float64) - np.asarray(right, np.float64)).max())
    except (OSError, TypeError):
        return np.inf


# JSON has no infinity; beyond this a factor says nothing more.
_MOST = 1e9


def _judge(
    asked: Asked, got: np.ndarray, want: np.ndarray, tolerance: Tolerance | None, firm: np.ndarray | None
) -> tuple[Agreement, str | None]:
    if got.shape != want.shape:
        return _ALL_WRONG, f"got shape {list(got.shape)}, expected {list(want.shape)}"
    if firm is not None:
        got = np.where(firm, got, want)
    if want.dtype == object:
        # Text is equal or not: compared as 0 (the same) or 1 against 0.
        differs = (got != want).astype(np.float64)
        agreement = measure_agreement(differs, np.zeros_like(differs), absolute=0, relative=0)
        agreement = Agreement(
            worst_absolute=agreement.worst_absolute,
            worst_relative=0.0,
            least_cosine=1.0,
            top1_agreement=None,
            used=agreement.used,
            worst=agreement.worst,
        )
    else:
        absolute, relative = (0.0, 0.0) if tolerance is None else (tolerance.absolute, tolerance.relative)
        agreement = measure_agreement(got, want, absolute=absolute, relative=relative)
    return agreement, _problem(asked, agreement, got, want, tolerance)


def _problem(
    asked: Asked, agreement: Agreement, got: np.ndarray, want: np.ndarray, tolerance: Tolerance | None
) -> str | None:
    where = f"{asked.samples[agreement.worst[0]]}, element {list(agreement.worst[1:])}"
    here = f"{where}: got {got[agreement.worst]!s}, expected {want[agreement.worst]!s}"
    if agreement.used > 1:
        return here if tolerance is None else f"{here}, {agreement.used:.3g} times the allowance"
    if tolerance is not None and agreement.least_cosine < tolerance.cosine:
        return f"cosine {agreement.least_cosine:.6f}, at least {tolerance.cosine} is required; {here}"
    return None


_ALL_WRONG = Agreement(
    worst_absolute=_MOST, worst_relative=_MOST, least_cosine=-1.0, top1_agreement=None, used=_MOST, worst=(0,)
)
