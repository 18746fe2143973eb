"""The rates that were tried for a setting -> how far it got. Pure."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.slo import Objective
    from tritonkit.spec.tuning import RateStep, Setting, TunedPoint, TuningReport

_SHORT_OF = 0.9
"""What a rate that was missed counts, where no lower one was tried: the truth lies somewhere below it."""
_INTERPOLATED = ("p50", "p95", "p99")


def best_rate(steps: Sequence[RateStep]) -> float:
    """The highest rate that met the objective, below every one that missed it; 0 if there is none."""
    return max((step.offered for step in _below_the_first_miss(steps)), default=0.0)


def promise(steps: Sequence[RateStep], objective: Objective) -> float:
    """The rate at which the objective would just be met: a finer figure than `best_rate`, for the search alone.

    Between the last rate that met the objective and the first that missed it, the latency that the objective speaks
    of is taken to grow exponentially. Where even the lowest rate missed it, nine tenths of what was answered then.
    """
    met = _below_the_first_miss(steps)
    missed = [step for step in sorted(steps, key=_offered) if not step.met]
    if not met:
        return _SHORT_OF * min(missed[0].answered, missed[0].offered) if missed else 0.0
    if not missed:
        return met[-1].offered
    return met[-1].offered + (missed[0].offered - met[-1].offered) * _part_of_the_way(met[-1], missed[0], objective)


def reason(steps: Sequence[RateStep], objective: Objective) -> str:
    """Why it went no further, in words."""
    missed = [step for step in sorted(steps, key=_offered) if not step.met]
    if not missed:
        return "every rate that was tried met the objective"
    first = missed[0]
    if first.answered < 0.9 * first.offered:
        return f"at {first.offered:.1f}/s it answered {first.answered:.1f}/s: it was saturated"
    return (
        f"at {first.offered:.1f}/s, which it answered, p50 was {first.p50:.0f} ms, p95 {first.p95:.0f} ms and "
        f"p99 {first.p99:.0f} ms: {objective.text} was missed by latency"
    )


def winner(points: Sequence[TunedPoint]) -> Setting | None:
    """The setting with the best mean over its looks; where some were looked at twice, one of those.

    None where no rate met the objective.
    """
    looks: dict[Setting, list[TunedPoint]] = {}
    for point in points:
        if point.rate > 0:
            looks.setdefault(point.setting, []).append(point)
    confirmed = {setting: several for setting, several in looks.items() if len(several) > 1} or looks
    return max(confirmed, key=lambda setting: statistics.fmean(p.promise for p in looks[setting]), default=None)


def _below_the_first_miss(steps: Sequence[RateStep]) -> list[RateStep]:
    first = min((step.offered for step in steps if not step.met), default=math.inf)
    return sorted((step for step in steps if step.met and step.offered < first), key=_offered)


def _offered(step: RateStep) -> float:
    return step.offered


def _part_of_the_way(met: RateStep, missed: RateStep, objective: Objective) -> float:
    terms = [term for term in objective.terms if term.metric in _INTERPOLATED and term.upper]
    parts = []
    for term in terms:
        low, high = getattr(met, term.metric), getattr(missed, term.metric)
        if high > term.limit > low > 0:
            parts.append(math.log(term.limit / low) / math.log(high / low))
    return min(parts, default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One setting in the order of merit.

    Attributes:
        setting: the setting.
        words: the same, to be read.
        rate: mean over its looks of the highest rate that met the objective; 0 if none did.
        looks: how often it was looked at.
        why: why it won, or why it lost.
    """

    setting: Setting
    words: str
    rate: float
    looks: int
    why: str


def ranked(report: TuningReport) -> tuple[Ranked, ...]:
    """Every setting that was looked at, the winner first, and why the others lost."""
    looks: dict[Setting, list[TunedPoint]] = {}
    for point in report.points:
        looks.setdefault(point.setting, []).append(point)
    order = sorted(
        looks,
        key=lambda one: (one == report.winner, statistics.fmean(p.promise for p in looks[one])),
        reverse=True,
    )
    best = statistics.fmean(p.rate for p in looks[report.winner]) if report.winner else 0.0
    return tuple(
        Ranked(
            setting=setting,
            words=in_words(setting),
            rate=statistics.fmean(p.rate for p in looks[setting]),
            looks=len(looks[setting]),
            why=_why(looks[setting], won=setting == report.winner, best=best),
        )
        for setting in order
    )


def _why(looks: Sequence[TunedPoint], *, won: bool, best: float) -> str:
    last = looks[-1]
    if won:
        return "the winner"
    if last.verdict == "does not load":
        return f"does not load: {last.reason}"
    if last.verdict == "hopeless":
        return f"given up early: {last.reason}"
    rate = statistics.fmean(point.rate for point in looks)
    behind = f"{rate / best - 1:+.0%} of the winner's rate; " if best and rate else ""
    return f"{behind}{last.reason}"


def in_words(setting: Setting) -> str:
    """`setting` in a few words."""
    words = [setting.variant, f"{setting.instances} x {setting.threads or '-'} threads"]
    words += [f"batch {setting.max_batch_size}", f"delay {setting.max_queue_delay_microseconds} us"]
    if setting.preprocess_instances is not None:
        words.append(f"{setting.preprocess_instances} preprocessing")
    return ", ".join(words)
