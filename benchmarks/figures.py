"""Records -> figures. Pure: numbers in, numbers out.

A request belongs to the measured time in which it was due (open loop) or sent (closed loop). Its latency runs from
then to its answer. Requests that ran into the deadline, or were never sent, count with the time that they had
waited, which is a lower bound; other failures have no latency, because a fast refusal would flatter it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import resampling
from benchmarks.arrivals import held_pieces
from benchmarks.records import PROTOCOLS, Reason
from tritonkit.spec.errors import UnavailableError
from tritonkit.spec.reports import HeldRate, Latency, LoadSeries, LoadSlice, ServerMoment, ServerTimes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.plan import LoadPlan, Protocol
    from benchmarks.served_model import ServedModel, Statistics
    from clients import Duration, ModelStatistics

    Rows = np.ndarray[tuple[int], np.dtype[np.void]]
    Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

LATE_SECONDS = 0.010
_WAITED = (Reason.ANSWERED, Reason.DEADLINE, Reason.UNSENT)
_SLICES = 80
_SHORTEST_SLICE_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The measured time, on the monotonic clock."""

    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.begin


def series_of(
    plan: LoadPlan,
    protocol: Protocol,
    rows: Rows,
    window: Window,
    *,
    good_ms: float | None = None,
    messages: Mapping[str, str] | None = None,
    model: int = 0,
) -> LoadSeries:
    """The figures of one protocol and, in a mix, of one model.

    Args:
        plan: what was asked for.
        protocol: whose records to take.
        rows: records of the whole run, warm-up included.
        window: the measured time.
        good_ms: the longest latency of an answer that counts into the goodput.
        messages: the first message of each reason of failure.
        model: number of the model in the plan.

    Raises:
        UnavailableError: not one request was answered.
    """
    rows = rows[(rows["protocol"] == PROTOCOLS.index(protocol)) & (rows["model"] == model)]
    due = rows[(rows["intended"] >= window.begin) & (rows["intended"] < window.end)]
    arrived = rows[(rows["reason"] == Reason.ANSWERED) & (rows["done"] >= window.begin) & (rows["done"] < window.end)]
    failed = due[due["reason"] != Reason.ANSWERED]
    waited = due[np.isin(due["reason"], _WAITED)]
    reasons = {reason.label: int((failed["reason"] == reason).sum()) for reason in Reason if reason in failed["reason"]}
    messages = {label: messages[label] for label in reasons if messages and messages.get(label)}
    if not len(waited):
        raise UnavailableError(
            f"not one {protocol} request was answered",
            where=plan.grpc_url if protocol == "grpc" else plan.http_url,
            got=", ".join(f"{count} {label}" for label, count in reasons.items()) or "no request at all",
            hint="; ".join(messages.values()) or None,
        )
    latencies = (waited["done"] - waited["intended"]) * 1000
    slices = _slices(window, due, arrived)
    low, high, rate_interval = _intervals(slices, window)
    good = due["reason"] == Reason.ANSWERED
    good &= (due["done"] - due["intended"]) * 1000 <= (np.inf if good_ms is None else good_ms)
    opened = plan.mode == "open"
    answered = due[due["reason"] == Reason.ANSWERED]
    first = (answered["first"] - answered["intended"])[np.isfinite(answered["first"])] * 1000
    return LoadSeries(
        protocol=protocol,
        model=plan.models[model] if plan.mix else "",
        users=plan.users[protocol],
        requests=len(due),
        failures=len(failed),
        failure_reasons=reasons,
        throughput=len(arrived) / window.seconds,
        latency=_latency(latencies),
        timeline=_timeline(window, waited, arrived),
        histogram=_histogram(latencies),
        throughput_interval=rate_interval,
        latency_low=low,
        latency_high=high,
        offered=len(due) / window.seconds if opened else None,
        late=int((due["sent"] - due["intended"] > LATE_SECONDS).sum()) if opened else 0,
        unsent=int((due["reason"] == Reason.UNSENT).sum()),
        goodput=None if good_ms is None else int(good.sum()) / window.seconds,
        first_messages=messages,
        slices=slices,
        first_response=_latency(first) if plan.stream and len(first) else None,
        responses=float(answered["responses"].mean()) if plan.stream and len(answered) else None,
        rates=_rates(plan, window, due, arrived),
    )


def _latency(milliseconds: Floats) -> Latency:
    # The smallest latency that at least this share of the requests did not exceed: always one that occurred.
    values = np.quantile(milliseconds, list(resampling.QUANTILES.values()), method="inverted_cdf")
    return Latency(
        **dict(zip(resampling.QUANTILES, map(float, values), strict=True)),
        mean=float(milliseconds.mean()),
        max=float(milliseconds.max()),
    )


def _rates(plan: LoadPlan, window: Window, due: Rows, arrived: Rows) -> tuple[HeldRate, ...]:
    """What each rate that the plan holds for a while led to; nothing where it holds one alone."""
    pieces = held_pieces(plan.rate or (), plan.seconds)
    rates = []
    for begin, end in pieces if len(pieces) > 1 else ():
        own = due[(due["intended"] >= window.begin + begin) & (due["intended"] < window.begin + end)]
        came = arrived[(arrived["done"] >= window.begin + begin) & (arrived["done"] < window.begin + end)]
        waited = own[np.isin(own["reason"], _WAITED)]
        if len(waited):
            latency = _latency((waited["done"] - waited["intended"]) * 1000)
            rates.append(
                HeldRate(
                    offered=len(own) / (end - begin),
                    throughput=len(came) / (end - begin),
                    failures=int((own["reason"] != Reason.ANSWERED).sum()),
                    p50=latency.p50,
                    p95=latency.p95,
                    p99=latency.p99,
                )
            )
    return tuple(rates)


def _slices(window: Window, due: Rows, arrived: Rows) -> tuple[LoadSlice, ...]:
    count = max(1, min(_SLICES, int(window.seconds / _SHORTEST_SLICE_SECONDS)))
    length = window.seconds / count

    def slice_of(times: Floats) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.minimum(((times - window.begin) / length).astype(np.int64), count - 1)

    due_slice = slice_of(due["intended"])
    answers = np.bincount(slice_of(arrived["done"]), minlength=count)
    failures = np.bincount(due_slice[due["reason"] != Reason.ANSWERED], minlength=count)
    waited = np.isin(due["reason"], _WAITED)
    buckets = resampling.bucket_of((due["done"] - due["intended"]) * 1000)
    pieces = []
    for i in range(count):
        bucket, occurrences = np.unique(buckets[waited & (due_slice == i)], return_counts=True)
        pieces.append(
            LoadSlice(
                begin=i * length,
                answers=int(answers[i]),
                failures=int(failures[i]),
                latencies=tuple(zip(bucket.tolist(), occurrences.tolist(), strict=True)),
            )
        )
    return tuple(pieces)


def _intervals(slices: tuple[LoadSlice, ...], window: Window) -> tuple[Latency, Latency, tuple[float, float]]:
    """Lower and upper ends of every latency's confidence interval, and the throughput's interval."""
    length = resampling.block_length(slices)
    weights = resampling.draw_weights(len(slices), np.random.default_rng(0), length=length)
    buckets, counts = resampling.latency_table(slices)
    drawn = weights @ counts
    levels = resampling.quantiles(buckets, drawn, list(resampling.QUANTILES.values()))
    ends = {name: resampling.interval(levels[:, i]) for i, name in enumerate(resampling.QUANTILES)}
    ends["mean"] = resampling.interval(resampling.means(buckets, drawn))
    ends["max"] = resampling.interval(resampling.quantiles(buckets, drawn, [1.0])[:, 0])
    rates = weights @ np.array([piece.answers for piece in slices]) / window.seconds
    low = Latency(**{name: pair[0] for name, pair in ends.items()})
    high = Latency(**{name: pair[1] for name, pair in ends.items()})
    return low, high, resampling.interval(rates)


def _timeline(window: Window, waited: Rows, arrived: Rows) -> tuple[tuple[float, int, float], ...]:
    """By second: answers that arrived, and the p95 of what was due; 0 where nothing was due."""
    points = []
    for second in range(int(np.ceil(window.seconds))):
        begin, end = window.begin + second, min(window.begin + second + 1, window.end)
        answers = int(((arrived["done"] >= begin) & (arrived["done"] < end)).sum())
        piece = waited[(waited["intended"] >= begin) & (waited["intended"] < end)]
        p95 = np.quantile(piece["done"] - piece["intended"], 0.95, method="inverted_cdf") * 1000 if len(piece) else 0.0
        points.append((float(second), answers, float(p95)))
    return tuple(points)


def _histogram(milliseconds: Floats) -> tuple[tuple[float, int], ...]:
    """Bars that grow by about 10 %, from the fastest answer to the slowest, empty ones between included."""
    wide = resampling.bucket_of(milliseconds) // 10
    first = int(wide.min())
    counts = np.bincount(wide - first)
    edges = resampling.upper_edge((np.arange(len(counts)) + first) * 10 + 9)
    return tuple(zip(edges.tolist(), counts.tolist(), strict=True))


def server_times(before: Statistics, after: Statistics) -> tuple[ServerTimes, ...]:
    """The server's own account of what it did between two readings of its statistics, per model and request.

    Raises:
        ValueError: a model was reloaded between the two.
    """
    spans: dict[str, list[ModelStatistics]] = {}
    for (model, version), totals in after.items():
        earlier = before.get((model, version))
        spans.setdefault(model, []).append(totals.since(earlier) if earlier else totals)
    return tuple(_times(model, versions) for model, versions in spans.items())


def _times(model: str, versions: list[ModelStatistics]) -> ServerTimes:
    requests = sum(v.success.count for v in versions)
    inferences = sum(v.inferences for v in versions)
    executions = sum(v.executions for v in versions)

    def milliseconds(durations: Iterable[Duration]) -> float:
        return sum(duration.ns for duration in durations) / 1e6 / max(1, requests)

    return ServerTimes(
        model=model,
        requests=requests,
        inferences=inferences,
        executions=executions,
        failures=sum(v.fail.count for v in versions),
        mean_batch=inferences / max(1, executions),
        request_ms=milliseconds(v.success for v in versions),
        queue_ms=milliseconds(v.queue for v in versions),
        compute_input_ms=milliseconds(v.compute_input for v in versions),
        compute_infer_ms=milliseconds(v.compute_infer for v in versions),
        compute_output_ms=milliseconds(v.compute_output for v in versions),
    )


def server_moment(times: Iterable[ServerTimes], models: Sequence[ServedModel], begin: float) -> ServerMoment:
    """One moment of the server's account: milliseconds a request of the tested models, their parts added up."""
    by_name = {one.model: one for one in times}
    requests = sum(by_name[model.name].requests for model in models)
    working = [by_name[name] for name in dict.fromkeys(n for m in models for n in (m.parts or (m.name,)))]

    def milliseconds(field: str) -> float:
        return float(sum(getattr(one, field) * one.requests for one in working) / max(1, requests))

    return ServerMoment(
        begin=begin,
        requests=requests,
        queue_ms=milliseconds("queue_ms"),
        compute_input_ms=milliseconds("compute_input_ms"),
        compute_infer_ms=milliseconds("compute_infer_ms"),
        compute_output_ms=milliseconds("compute_output_ms"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorUse:
    """What the generator's processes used of the machine in the measured time.

    Attributes:
        cpu: cores, all its processes together.
        starved: the share of its timers that ran more than `LATE_SECONDS` late.
    """

    cpu: float
    starved: float


def generator_use(pulses: Mapping[int, Rows], window: Window) -> GeneratorUse:
    """Use of CPU and lateness from the pulses of each process."""
    cpu = 0.0
    late: list[Any] = []
    for rows in pulses.values():
        inside = rows[(rows["at"] >= window.begin) & (rows["at"] <= window.end)]
        if len(inside) > 1:
            cpu += (inside["cpu"][-1] - inside["cpu"][0]) / (inside["at"][-1] - inside["at"][0])
        late.append(inside["lag"] > LATE_SECONDS)
    lateness = np.concatenate(late) if late else np.zeros(0)
    return GeneratorUse(cpu=float(cpu), starved=float(lateness.mean()) if len(lateness) else 0.0)


def limit_reason(plan: LoadPlan, use: GeneratorUse, throughput: float, ceiling: float | None) -> str:
    """Why the generator was the limit, in words; empty if the figures speak of the server."""
    share = use.cpu / plan.processes
    remedy = "add processes, or a machine of its own"
    if share > 0.85:
        return f"each generator process used {share:.0%} of the one core that it can use: {remedy}"
    if ceiling is not None and throughput > 0.8 * ceiling:
        return f"{throughput:.0f} answers a second are near the generator's own ceiling of {ceiling:.0f}: {remedy}"
    if plan.mode == "open" and use.starved > 0.05:
        return f"{use.starved:.0%} of the generator's timers ran over 10 ms late: its machine is too busy; {remedy}"
    return ""
