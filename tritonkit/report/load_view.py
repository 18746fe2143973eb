"""A load report -> the charts of the page's load section."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tritonkit.evaluation.axes import number
from tritonkit.evaluation.charts import (
    Bar,
    Distribution,
    Series,
    histogram_chart,
    line_chart,
    percentile_chart,
    stacked_bars,
)
from tritonkit.report.wording import PROTOCOL_NAMES

if TYPE_CHECKING:
    from tritonkit.spec.reports import Latency, LoadReport, LoadSeries

PIECES = ("queue", "input", "compute", "output")

_COLOURS = {"grpc": 0, "http": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadCharts:
    """SVG of each chart; none where the load test left nothing to draw."""

    percentiles: str | None
    answers: str | None
    p95: str | None
    histogram: str | None
    server: str | None


def draw_load(load: LoadReport) -> LoadCharts:
    """The charts of `load`."""
    answered = [series for series in load.series if series.requests > series.failures]
    timed = [series for series in load.series if series.timeline]
    return LoadCharts(
        percentiles=_percentiles(answered) if answered else None,
        answers=_answers(timed) if timed else None,
        p95=_p95(timed) if timed else None,
        histogram=_histogram(answered) if any(series.histogram for series in answered) else None,
        server=_server(load) if load.server else None,
    )


def _percentiles(answered: list[LoadSeries]) -> str:
    return percentile_chart(
        [(PROTOCOL_NAMES[one.protocol], _quantiles(one.latency), _COLOURS[one.protocol]) for one in answered],
        title="Latency by percentile: "
        + "; ".join(
            f"{PROTOCOL_NAMES[one.protocol]} p50 {number(one.latency.p50)} ms, p99 {number(one.latency.p99)} ms"
            for one in answered
        ),
    )


def _quantiles(latency: Latency) -> tuple[float, ...]:
    """In the order of `charts.PERCENTILES`."""
    return (latency.p50, latency.p90, latency.p95, latency.p99, latency.p999)


def _answers(timed: list[LoadSeries]) -> str:
    return line_chart(
        [
            Series(
                name=PROTOCOL_NAMES[one.protocol],
                points=tuple((second, float(answers)) for second, answers, _ in one.timeline),
                colour=_COLOURS[one.protocol],
            )
            for one in timed
        ],
        title="Answers in each second of the load test: " + "; ".join(_range(one) for one in timed),
        x_label="seconds since the start",
        y_label="answers a second",
    )


def _range(one: LoadSeries) -> str:
    counts = [answers for _, answers, _ in one.timeline]
    return f"{PROTOCOL_NAMES[one.protocol]} {min(counts)} to {max(counts)}"


def _p95(timed: list[LoadSeries]) -> str:
    return line_chart(
        [
            Series(
                name=PROTOCOL_NAMES[one.protocol],
                points=tuple((second, p95 if answers else None) for second, answers, p95 in one.timeline),
                colour=_COLOURS[one.protocol],
            )
            for one in timed
        ],
        title="95th percentile of the latency in each second of the load test; no line where no answer came",
        x_label="seconds since the start",
        y_label="p95 in ms",
    )


def _histogram(answered: list[LoadSeries]) -> str:
    return histogram_chart(
        [
            Distribution(name=PROTOCOL_NAMES[one.protocol], bins=one.histogram, colour=_COLOURS[one.protocol])
            for one in answered
        ],
        title="How the latencies are distributed",
        x_label="latency in ms",
    )


def _server(load: LoadReport) -> str:
    bars = [
        Bar(
            name=times.model,
            pieces=(times.queue_ms, times.compute_input_ms, times.compute_infer_ms, times.compute_output_ms),
        )
        for times in load.server
    ]
    return stacked_bars(
        bars,
        pieces=PIECES,
        title="The server's own milliseconds a request: "
        + "; ".join(
            f"{bar.name} {number(sum(bar.pieces))}, of them {number(bar.pieces[0])} in the queue" for bar in bars
        ),
        x_label="ms a request",
    )
