"""Two load tests -> faster, slower or no difference, by a test that knows noise.

Both sides are resampled (`resampling`): slices of time within a run and, where a side has several runs, the runs
themselves, because two runs of the same thing differ by more than two minutes of one run do. A figure counts as
different only if the whole confidence interval of its ratio lies beyond the least change that matters. The
intervals are of 99 %, so that among the eight figures of two protocols a false alarm stays rare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

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
    protocols: list[Protocol] = [
        one.protocol for one in first[0].series if any(one.protocol == other.protocol for other in second[0].series)
    ]
    if not protocols:
        raise InputError("the load tests share no protocol", got=_protocols(first), expected=_protocols(second))
    rng = np.random.default_rng(seed)
    figures = [
        figure
        for protocol in protocols
        for figure in _compared(
            protocol, _series(first, protocol), _series(second, protocol), first[0].mode, least_change, rng
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
    first: list[LoadSeries],
    second: list[LoadSeries],
    mode: str,
    least_change: float,
    rng: np.random.Generator,
) -> list[ComparedFigure]:
    before, after = _observed(first), _observed(second)
    drawn_before, drawn_after = _drawn(first, rng), _drawn(second, rng)
    # In an open loop the rate is the plan's, not the server's.
    names = [*_LATENCIES, "throughput"] if mode == "closed" else [*_LATENCIES]
    figures = []
    for name in names:
        edges = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
        low, high = np.nanquantile(drawn_after[name] / drawn_before[name], edges)
        better_below = name in _LATENCIES
        figures.append(
            ComparedFigure(
                protocol=protocol,
                figure=name,
                first=before[name],
                second=after[name],
                ratio=after[name] / before[name],
                low=float(low),
                high=float(high),
                verdict=_verdict(float(low), float(high), least_change, better_below=better_below),
            )
        )
    return figures


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


def _observed(runs: list[LoadSeries]) -> dict[str, float]:
    """The figures of all runs together, without resampling."""
    everything = {i: np.ones((1, len(run.slices)), dtype=np.int64) for i, run in enumerate(runs)}
    return {name: float(values[0]) for name, values in _figures(runs, everything).items()}


def _drawn(runs: list[LoadSeries], rng: np.random.Generator) -> dict[str, Floats]:
    """The figures of `resampling.DRAWS` resamples: every run's slices, times how often that run was drawn."""
    picked = rng.multinomial(len(runs), [1 / len(runs)] * len(runs), resampling.DRAWS)
    weights = {i: resampling.draw_weights(len(run.slices), rng) * picked[:, i : i + 1] for i, run in enumerate(runs)}
    return _figures(runs, weights)


def _figures(runs: list[LoadSeries], weights: dict[int, np.ndarray[Any, np.dtype[np.int64]]]) -> dict[str, Floats]:
    """Each figure for every row of weights: runs pooled, their slices counted as often as the weights say."""
    pieces = [piece for run in runs for piece in run.slices]
    stacked = np.concatenate([weights[i] for i in range(len(runs))], axis=1)
    buckets, counts = resampling.latency_table(pieces)
    latencies = resampling.quantiles(buckets, stacked @ counts, list(_LATENCIES.values()))
    lengths = np.concatenate([[run.slices[1].begin if len(run.slices) > 1 else 1.0] * len(run.slices) for run in runs])
    answers = np.array([piece.answers for piece in pieces])
    return {
        **{name: latencies[:, i] for i, name in enumerate(_LATENCIES)},
        "throughput": (stacked @ answers) / (stacked @ lengths),
    }


def _series(reports: Sequence[LoadReport], protocol: Protocol) -> list[LoadSeries]:
    found = [one for report in reports for one in report.series if one.protocol == protocol and one.slices]
    if not found:
        raise InputError(
            "these reports hold no slices to compare", where=protocol, expected="reports of tritonkit bench"
        )
    return found


def _protocols(reports: Sequence[LoadReport]) -> str:
    return ", ".join(one.protocol for one in reports[0].series)


def _check_same_question(reports: list[LoadReport]) -> None:
    """Refuses what cannot be compared: figures of a closed and an open loop, or of other rates, mean other things."""
    for name in ("mode", "offered", "batch"):
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
    if min(len(first), len(second)) < 3:
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
