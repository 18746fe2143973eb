"""Two load tests -> faster, slower or no difference, by a test that knows noise.

With three runs or more a side, each run gives one observation of a figure, and Welch's t test compares them: two
runs of the same thing differ by more than the seconds of one run tell. With fewer, only the noise within the runs
can be known: it is taken from blocks of time (`resampling`), with as many degrees of freedom as there are blocks.
A figure counts as different only if the whole confidence interval of its ratio lies beyond the least change that
matters. The intervals are of 99 %, so that among the eight figures of two protocols a false alarm stays rare.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmarks import resampling
from tritonkit.spec.errors import InputError
from tritonkit.spec.reports import ComparedFigure, LoadComparison

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.plan import Protocol
    from tritonkit.spec.reports import LoadReport, LoadSeries

    Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

CONFIDENCE = 0.99
LEAST_CHANGE = 0.03
ENOUGH_RUNS = 3
_LATENCIES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}

_Verdict = Literal["faster", "slower", "no difference"]


def compare(
    first: Sequence[LoadReport], second: Sequence[LoadReport], *, least_change: float = LEAST_CHANGE, seed: int = 0
) -> LoadComparison:
    """What `second` is against `first`; each is one run or several of the same thing.

    Args:
        first: the reports to compare with.
        second: the reports to judge.
        least_change: the share of a figure below which a difference does not matter.
        seed: of the resampling.

    Raises:
        InputError: they were not run in the same way, or share no protocol.
    """
    _check_same_question([*first, *second])
    theirs = {(other.protocol, other.model) for other in second[0].series}
    shared = [(one.protocol, one.model) for one in first[0].series if (one.protocol, one.model) in theirs]
    if not shared:
        raise InputError("the load tests share no protocol", got=_protocols(first), expected=_protocols(second))
    rng = np.random.default_rng(seed)
    figures = [
        figure
        for protocol, model in shared
        for figure in _compared(
            protocol,
            model,
            _series(first, protocol, model),
            _series(second, protocol, model),
            first[0].mode,
            least_change,
            rng,
        )
    ]
    return LoadComparison(
        verdict=_overall({figure.verdict for figure in figures}),
        figures=tuple(figures),
        least_change=least_change,
        confidence=CONFIDENCE,
        runs=(len(first), len(second)),
        notes=_notes(first, second),
    )


def _compared(
    protocol: Protocol,
    model: str,
    first: list[LoadSeries],
    second: list[LoadSeries],
    mode: str,
    least_change: float,
    rng: np.random.Generator,
) -> list[ComparedFigure]:
    observe = _from_runs if min(len(first), len(second)) >= ENOUGH_RUNS else _from_blocks
    before, after = observe(first, rng), observe(second, rng)
    # In an open loop the rate is the plan's, not the server's.
    names = [*_LATENCIES, "throughput"] if mode == "closed" else [*_LATENCIES]
    figures = []
    for name in names:
        low, high = _interval(before[name], after[name])
        figures.append(
            ComparedFigure(
                protocol=protocol,
                model=model,
                figure=name,
                first=math.exp(before[name].log),
                second=math.exp(after[name].log),
                ratio=math.exp(after[name].log - before[name].log),
                low=low,
                high=high,
                verdict=_verdict(low, high, least_change, better_below=name in _LATENCIES),
            )
        )
    return figures


@dataclass(frozen=True, slots=True, kw_only=True)
class _Observed:
    """A figure's logarithm, the variance of its error, and the degrees of freedom of that."""

    log: float
    variance: float
    freedom: float


def _from_runs(runs: list[LoadSeries], _rng: np.random.Generator) -> dict[str, _Observed]:
    """The figures' means over runs."""
    each = [_figures(run, np.ones((1, len(run.slices)))) for run in runs]
    observed = {}
    for name in each[0]:
        logs = np.log([float(figures[name][0]) for figures in each])
        observed[name] = _Observed(
            log=float(logs.mean()), variance=float(logs.var(ddof=1)) / len(runs), freedom=len(runs) - 1
        )
    return observed


def _from_blocks(runs: list[LoadSeries], rng: np.random.Generator) -> dict[str, _Observed]:
    """The figures' means over runs, with the noise of blocks of time within them."""
    parts: dict[str, list[_Observed]] = {}
    for run in runs:
        length = resampling.block_length(run.slices)
        blocks = max(2, len(run.slices) / length)
        as_it_was = _figures(run, np.ones((1, len(run.slices))))
        drawn = _figures(run, resampling.draw_weights(len(run.slices), rng, length=length))
        for name, values in drawn.items():
            # Blocks drawn from themselves vary by a factor (blocks - 1) / blocks too little.
            variance = float(np.nanvar(np.log(values))) * blocks / (blocks - 1)
            log = math.log(float(as_it_was[name][0]))
            parts.setdefault(name, []).append(_Observed(log=log, variance=variance, freedom=blocks - 1))
    count = len(runs)
    return {
        name: _Observed(
            log=sum(part.log for part in several) / count,
            variance=sum(part.variance for part in several) / count**2,
            freedom=sum(part.freedom for part in several),
        )
        for name, several in parts.items()
    }


def _figures(run: LoadSeries, weights: Floats) -> dict[str, Floats]:
    """Each figure of one run, for every row of weights of its slices."""
    buckets, counts = resampling.latency_table(run.slices)
    latencies = resampling.quantiles(buckets, weights @ counts, list(_LATENCIES.values()))
    length = run.slices[1].begin if len(run.slices) > 1 else 1.0
    answers = weights @ np.array([piece.answers for piece in run.slices])
    return {
        **{name: latencies[:, i] for i, name in enumerate(_LATENCIES)},
        # Never zero, so that it has a logarithm.
        "throughput": np.maximum(answers, 1) / (weights.sum(axis=1) * length),
    }


def _interval(before: _Observed, after: _Observed) -> tuple[float, float]:
    """The confidence interval of the ratio, by Welch's approximation (Biometrika 34, 1947)."""
    change = after.log - before.log
    variance = before.variance + after.variance
    if variance == 0:
        return math.exp(change), math.exp(change)
    freedom = variance**2 / (before.variance**2 / before.freedom + after.variance**2 / after.freedom)
    reach = _student_99(freedom) * math.sqrt(variance)
    return math.exp(change - reach), math.exp(change + reach)


# Student's t with 1, 2, 3... degrees of freedom: 99 % of it lies between minus this and this.
_STUDENT_99 = (63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169, 3.106, 3.055, 3.012, 2.977, 2.947)


def _student_99(freedom: float) -> float:
    if freedom < len(_STUDENT_99) + 1:
        return _STUDENT_99[max(0, int(freedom) - 1)]
    z = 2.5758
    return z + (z**3 + z) / (4 * freedom)  # the first term of its expansion about the normal quantile


def _verdict(low: float, high: float, least_change: float, *, better_below: bool) -> _Verdict:
    if high < 1 / (1 + least_change):
        return "faster" if better_below else "slower"
    if low > 1 + least_change:
        return "slower" if better_below else "faster"
    return "no difference"


def _overall(verdicts: set[_Verdict]) -> Literal["faster", "slower", "no difference", "mixed"]:
    if {"faster", "slower"} <= verdicts:
        return "mixed"
    if "faster" in verdicts:
        return "faster"
    return "slower" if "slower" in verdicts else "no difference"


def _series(reports: Sequence[LoadReport], protocol: Protocol, model: str) -> list[LoadSeries]:
    found = [
        one
        for report in reports
        for one in report.series
        if (one.protocol, one.model) == (protocol, model) and one.slices
    ]
    if not found:
        raise InputError(
            "these reports hold no slices to compare", where=protocol, expected="reports of tritonkit bench"
        )
    return found


def _protocols(reports: Sequence[LoadReport]) -> str:
    return ", ".join(one.protocol for one in reports[0].series)


def _check_same_question(reports: list[LoadReport]) -> None:
    """Refuses what cannot be compared: figures of a closed and an open loop, or of other rates, mean other things."""
    for name in ("mode", "offered", "batch", "sequence_length", "stream"):
        values = {getattr(report, name) for report in reports}
        if len(values) > 1:
            raise InputError(
                f"the load tests were not run in the same way: their {name} differs",
                got=" and ".join(sorted(map(str, values))),
                hint="compare runs of the same plan",
            )
    users = {tuple((one.protocol, one.users) for one in report.series) for report in reports}
    if len(users) > 1:
        raise InputError("the load tests had different users", got=sorted(users), hint="compare runs of the same plan")


def _notes(first: Sequence[LoadReport], second: Sequence[LoadReport]) -> tuple[str, ...]:
    reports = [*first, *second]
    notes = []
    if min(len(first), len(second)) < ENOUGH_RUNS:
        notes.append(
            "with fewer than three runs a side, the noise between runs is unknown and only that within them is tested"
        )
    if any(report.limited_by_generator for report in reports):
        notes.append("in at least one run the generator, not the server, was the limit")
    if len({report.machine for report in reports}) > 1:
        notes.append("the generators ran on different machines")
    sizes = [report.payload_bytes for report in reports]
    if max(sizes) > 1.05 * min(sizes):
        notes.append(f"the requests differ in size: {min(sizes)} to {max(sizes)} bytes")
    failed = [sum(s.failures for s in side) / max(1, sum(s.requests for s in side)) for side in _sides(first, second)]
    if abs(failed[0] - failed[1]) > 0.001:
        notes.append(f"the shares of failed requests differ: {failed[0]:.2%} and {failed[1]:.2%}")
    return tuple(notes)


def _sides(first: Sequence[LoadReport], second: Sequence[LoadReport]) -> tuple[list[LoadSeries], list[LoadSeries]]:
    return [s for report in first for s in report.series], [s for report in second for s in report.series]
