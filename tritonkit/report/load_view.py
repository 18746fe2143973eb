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
# As the style sheet colours the pieces of the breakdown: compute in the colour of what matters, queue in that of alarm.
_PIECE_COLOURS = (1, 4, 0, 3)

_COLOURS = {"grpc": 0, "http": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadCharts:
    """SVG of each chart; none where the load test left nothing to draw."""

    percentiles: str | None
    answers: str | None
    p95: str | None
    histogram: str | None
    server: str | None
    rates: str | None
    server_timeline: str | None


def series_name(one: LoadSeries) -> str:
    """What a legend calls a series: its protocol and, in a mix, its model."""
    return f"{PROTOCOL_NAMES[one.protocol]} {one.model}".strip()


def _colour(one: LoadSeries, load: LoadReport) -> int:
    """Protocols keep their colours from page to page; the models of a mix take them in turn."""
    return load.series.index(one) % 5 if one.model else _COLOURS[one.protocol]


def draw_load(load: LoadReport) -> LoadCharts:
    """The charts of `load`."""
    answered = [series for series in load.series if series.requests > series.failures]
    timed = [series for series in load.series if series.timeline]
    return LoadCharts(
        percentiles=_percentiles(load, answered) if answered else None,
        answers=_answers(load, timed) if timed else None,
        p95=_p95(load, timed) if timed else None,
        histogram=_histogram(load, answered) if any(series.histogram for series in answered) else None,
        server=_server(load) if load.server else None,
        rates=_rates(load) if any(series.rates for series in load.series) else None,
        server_timeline=_server_timeline(load) if len(load.server_timeline) > 1 else None,
    )


def _percentiles(load: LoadReport, answered: list[LoadSeries]) -> str:
    return percentile_chart(
        [(series_name(one), _quantiles(one.latency), _colour(one, load)) for one in answered],
        title="Latency by percentile: "
        + "; ".join(
            f"{series_name(one)} p50 {number(one.latency.p50)} ms, p99 {number(one.latency.p99)} ms" for one in answered
        ),
    )


def _quantiles(latency: Latency) -> tuple[float, ...]:
    """In the order of `charts.PERCENTILES`."""
    return (latency.p50, latency.p90, latency.p95, latency.p99, latency.p999)


def _answers(load: LoadReport, timed: list[LoadSeries]) -> str:
    return line_chart(
        [
            Series(
                name=series_name(one),
                points=tuple((second, float(answers)) for second, answers, _ in one.timeline),
                colour=_colour(one, load),
            )
            for one in timed
        ],
        title="Answers in each second of the load test: " + "; ".join(_range(one) for one in timed),
        x_label="seconds since the start",
        y_label="answers a second",
    )


def _range(one: LoadSeries) -> str:
    counts = [answers for _, answers, _ in one.timeline]
    return f"{series_name(one)} {min(counts)} to {max(counts)}"


def _p95(load: LoadReport, timed: list[LoadSeries]) -> str:
    return line_chart(
        [
            Series(
                name=series_name(one),
                points=tuple((second, p95 if answers else None) for second, answers, p95 in one.timeline),
                colour=_colour(one, load),
            )
            for one in timed
        ],
        title="95th percentile of the latency in each second of the load test; no line where no answer came",
        x_label="seconds since the start",
        y_label="p95 in ms",
    )


def _histogram(load: LoadReport, answered: list[LoadSeries]) -> str:
    return histogram_chart(
        [Distribution(name=series_name(one), bins=one.histogram, colour=_colour(one, load)) for one in answered],
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


def _rates(load: LoadReport) -> str:
    """Latency against the rate that arrived: the median of each series, and its 99th percentile above."""
    lines = []
    for number_, one in enumerate(one for one in load.series if one.rates):
        for offset, (name, values) in enumerate(
            (("p50", [(r.offered, r.p50) for r in one.rates]), ("p99", [(r.offered, r.p99) for r in one.rates]))
        ):
            colour = (2 * number_ + offset) % 5
            lines.append(Series(name=f"{series_name(one)} {name}", points=tuple(sorted(values)), colour=colour))
    return line_chart(
        lines,
        title="Latency against the rate of arrivals",
        x_label="requests a second that were due",
        y_label="ms",
        markers=True,
    )


def _server_timeline(load: LoadReport) -> str:
    fields = ("queue_ms", "compute_input_ms", "compute_infer_ms", "compute_output_ms")
    return line_chart(
        [
            Series(
                name=piece,
                points=tuple(
                    (moment.begin, getattr(moment, field) if moment.requests else None)
                    for moment in load.server_timeline
                ),
                colour=colour,
            )
            for piece, field, colour in zip(PIECES, fields, _PIECE_COLOURS, strict=True)
        ],
        title="The server's own milliseconds a request over time; no line where nothing was answered",
        x_label="seconds since the start",
        y_label="ms a request",
    )
