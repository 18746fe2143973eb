"""Did the build keep its promise? One answer, and everything that speaks against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tritonkit.spec.parity import Comparison
    from tritonkit.spec.reports import BuildReport, VariantResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A comparison that failed, and the variant that it is about."""

    variant: str
    comparison: Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What stands on top of the page.

    Attributes:
        passed: whether the variant that the ensemble calls passed every comparison, served ones among them.
        headline: the same, as a sentence.
        failures: every failed comparison of every variant, the served variant's first, in the pipeline's order.
        rejected: the other variants that did not pass.
        comparisons: how many comparisons the served variant went through.
        worst_used: the largest part of a tolerance that one of them used; none if there was no comparison.
    """

    passed: bool
    headline: str
    failures: tuple[Failure, ...]
    rejected: tuple[str, ...]
    comparisons: int
    worst_used: float | None


def comparisons_of(variant: VariantResult) -> tuple[Comparison, ...]:
    """Every comparison that `variant` went through, in process first."""
    return variant.artefact.comparisons + (variant.served.comparisons if variant.served else ())


def judge(build: BuildReport) -> Verdict:
    """The verdict on `build`: a part that was never compared speaks against it as loudly as one that differs."""
    in_order = sorted(build.variants, key=lambda variant: variant.name != build.variant)
    chosen = next((variant for variant in in_order if variant.name == build.variant), None)
    compared = comparisons_of(chosen) if chosen else ()
    headline = _objection(chosen)
    return Verdict(
        passed=headline is None,
        headline=headline or "The served answers equal those of the original weights.",
        failures=tuple(
            Failure(variant=variant.name, comparison=comparison)
            for variant in in_order
            for comparison in comparisons_of(variant)
            if not comparison.passed
        ),
        rejected=tuple(variant.name for variant in in_order if variant is not chosen and _objection(variant)),
        comparisons=len(compared),
        worst_used=max((comparison.used for comparison in compared), default=None),
    )


def _objection(variant: VariantResult | None) -> str | None:
    """Why `variant` may not be published."""
    if variant is None:
        return "The variant to be served was never compared."
    if not variant.artefact.passed or not all(comparison.passed for comparison in variant.artefact.comparisons):
        return "The converted model's answers differ from those of the original weights."
    if variant.served is None or not variant.served.comparisons:
        return "The served answers were never compared."
    if not variant.served.passed or not all(comparison.passed for comparison in variant.served.comparisons):
        return "The served answers differ from those of the original weights."
    return None
