"""How far two arrays of answers lie apart: absolute, relative, cosine, top-1. Pure numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far the answers `got` lie from `want`.

    Attributes:
        worst_absolute: largest |got - want|.
        worst_relative: largest |got - want| / |want| over elements where want is not 0.
        least_cosine: least cosine between a sample's answer and its reference; 1 for a pair of zeros.
        top1_agreement: part of the samples whose largest element is the same; `None` for samples of one element.
        used: largest |got - want| / (absolute + relative * |want|); infinite where nothing is allowed and they differ.
        worst: index (sample, ...) of the element that `used` is about.
    """

    worst_absolute: float
    worst_relative: float
    least_cosine: float
    top1_agreement: float | None
    used: float
    worst: tuple[int, ...]


def measure_agreement(got: np.ndarray, want: np.ndarray, *, absolute: float, relative: float) -> Agreement:
    """Measures in float64 how far `got` lies from `want`.

    Args:
        got: answers, any numeric dtype; its first axis counts samples. A NaN is as far off as can be, unless the
            reference is NaN there too.
        want: their references, of the same shape.
        absolute: allowance in the unit of the answers.
        relative: allowance as a part of the reference.
    """
    got64, want64 = got.astype(np.float64), want.astype(np.float64)
    same = (got64 == want64) | (np.isnan(got64) & np.isnan(want64))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        difference = np.where(same, 0.0, np.abs(got64 - want64))
        difference = np.where(np.isnan(difference), np.inf, difference)
        allowed = absolute + relative * np.abs(np.nan_to_num(want64))
        used = np.where(difference == 0, 0.0, difference / allowed)
        ratio = np.where((want64 != 0) & np.isfinite(want64), difference / np.abs(want64), 0.0)
    worst = np.unravel_index(int(np.argmax(used)), used.shape) if used.size else (0,)
    return Agreement(
        worst_absolute=float(difference.max(initial=0.0)),
        worst_relative=float(ratio.max(initial=0.0)),
        least_cosine=_least_cosine(got64, want64),
        top1_agreement=_top1(got64, want64),
        used=float(used.max(initial=0.0)),
        worst=tuple(int(index) for index in worst),
    )


def _least_cosine(got: np.ndarray, want: np.ndarray) -> float:
    if got.size == 0:
        return 1.0
    # What is not finite is judged by the absolute difference; here it would only overflow.
    a, b = (np.where(np.isfinite(x), x, 0.0).reshape(len(x), -1) for x in (got, want))
    lengths = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    product = lengths[0] * lengths[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = np.where(product > 0, (a * b).sum(axis=1) / product, np.where(lengths[0] == lengths[1], 1.0, 0.0))
    return float(np.clip(cosine, -1.0, 1.0).min())


def _top1(got: np.ndarray, want: np.ndarray) -> float | None:
    if want.ndim < 2 or want.shape[-1] < 2:
        return None
    return float(np.mean(np.nan_to_num(got).argmax(axis=-1) == np.nan_to_num(want).argmax(axis=-1)))
