"""Did the build keep its promise? One answer, and everything that speaks against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tritonkit.spec.parity import Comparison, ParityReport
    from tritonkit.spec.reports import BuildReport, VariantResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What failed of one output: its comparisons are told together, since one cause fails them all.

    Attributes:
        variant: the variant that it is about.
        comparisons: those that failed, of one level and output.
        worst: the one of them that is furthest off.
        compared: how many comparisons of this level and output there were.
    """

    variant: str
    comparisons: tuple[Comparison, ...]
    worst: Comparison
    compared: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What stands on top of the page.

    Attributes:
        passed: whether the variant that the ensemble calls passed every comparison, served ones among them.
        headline: the same, as a sentence.
        failures: what failed in each variant, the served variant's first, in the pipeline's order.
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
    reports = (variant.artefact, variant.served)
    return tuple(comparison for report in reports if report is not None for comparison in report.comparisons)


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
            failure for variant in in_order for failure in find_failures(variant.name, comparisons_of(variant))
        ),
        rejected=tuple(variant.name for variant in in_order if variant is not chosen and _objection(variant)),
        comparisons=len(compared),
        worst_used=max((comparison.used for comparison in compared), default=None),
    )


def find_failures(variant: str, comparisons: Sequence[Comparison]) -> tuple[Failure, ...]:
    """What failed among `comparisons`, by level and output, in the order in which they come."""
    groups: dict[tuple[str, str], list[Comparison]] = {}
    for comparison in comparisons:
        groups.setdefault((comparison.level, comparison.output), []).append(comparison)
    return tuple(
        Failure(
            variant=variant,
            comparisons=failed,
            worst=max(failed, key=lambda one: one.used),
            compared=len(group),
        )
        for group in groups.values()
        if (failed := tuple(one for one in group if not one.passed))
    )


def _objection(variant: VariantResult | None) -> str | None:
    """Why `variant` may not be published."""
    if variant is None:
        return "The variant to be served was never compared."
    found = (
        (variant.artefact is None, "The converted model was never compared."),
        (not _equal(variant.artefact), "The converted model's answers differ from those of the original weights."),
        (not (variant.served and variant.served.comparisons), "The served answers were never compared."),
        (not _equal(variant.served), "The served answers differ from those of the original weights."),
        (variant.refused is not None, f"The variant was refused: {variant.refused}"),
    )
    return next((objection for holds, objection in found if holds), None)


def _equal(report: ParityReport | None) -> bool:
    return report is None or (report.passed and all(comparison.passed for comparison in report.comparisons))
