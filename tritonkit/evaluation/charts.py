"""Numbers -> SVG, as text: the charts of every page that the kit draws.

A chart is one `<svg>` to be put inside a page. It carries its own text alternative (role="img" and a `<title>`), but
no colour: the page's style sheet gives those to the classes `series-0` to `series-4`, `grid`, `axis`, `limit`,
`forbidden` and `failed`, so that one chart serves light, dark and print. All of them are WIDTH units wide: what is
legible in one is legible in the next, and on a phone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from tritonkit.evaluation import svg
from tritonkit.evaluation.axes import Scale, log_ticks, nice_ticks, number, share, thinned
from tritonkit.evaluation.svg import WIDTH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 18.0, 40.0, 40.0
_UNIT_Y = 30.0

# The span of a tolerance that is worth telling apart: below it is kernel noise, above it any failure is a failure.
LEAST_USED, MOST_USED = 1e-6, 1e2

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A line of a chart.

    Attributes:
        name: what the legend says.
        points: x and y; where y is None there was nothing to measure, and the line has a gap.
        colour: number of the class `series-N`.
    """

    name: str
    points: tuple[tuple[float, float | None], ...]
    colour: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """How often a quantity was seen: bins by their upper edges, ascending, and the count in each.

    Nothing says where the first bin begins: it is drawn as wide, by ratio, as the second.
    """

    name: str
    bins: tuple[tuple[float, int], ...]
    colour: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar of a stacked chart: its name and the length of each of its pieces, in the order of the legend."""

    name: str
    pieces: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A comparison of answers.

    Attributes:
        lane: the lane it lies in.
        name: what a pointer on it is told.
        used: the part of its tolerance that it used.
        colour: number of the class `series-N`.
        failed: whether it failed, which it may for another reason than `used`.
    """

    lane: str
    name: str
    used: float
    colour: int
    failed: bool


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str,
    x_ticks: Sequence[tuple[float, str]] | None = None,
    height: float = 220,
    markers: bool = False,
) -> str:
    """Lines over a common x.

    The y axis starts at 0; where the values span more than a factor of 30 it is logarithmic and says so.

    Args:
        series: the lines; one without any point is named in the legend alone.
        title: the text alternative: what the chart shows.
        x_label: what x is, with its unit.
        y_label: what y is, with its unit.
        x_ticks: value and text; without it, round numbers from 0.
        height: of the whole chart, in its units.
        markers: whether each point gets a dot that tells its value.
    """
    xs = [x for line in series for x, _ in line.points]
    ys = [y for line in series for _, y in line.points if y is not None and math.isfinite(y)]
    named = tuple(x_ticks) if x_ticks else tuple((tick, number(tick)) for tick in nice_ticks(max(xs, default=1.0)))
    x = Scale(low=named[0][0], high=max(named[-1][0], *xs, named[0][0]), start=_LEFT, end=WIDTH - _RIGHT)
    y, y_ticks = _vertical(ys, height)
    unit = f"{y_label}, logarithmic" if y.logarithmic else y_label
    body = [
        *_horizontal_grid(y, y_ticks),
        *(svg.text(x.at(value), height - _BOTTOM + 15, text, "tick middle") for value, text in named),
        svg.text(0, _UNIT_Y, unit, "unit"),
        svg.text(WIDTH - _RIGHT, height - 6, x_label, "unit end"),
        *svg.legend([(line.name, line.colour) for line in series]),
    ]
    for line in series:
        body += _polylines(line, x, y)
        if markers:
            body += _markers(line, x, y, y_label)
    return svg.svg(title, height, body)


def percentile_chart(series: Sequence[tuple[str, Sequence[float], int]], *, title: str) -> str:
    """Latency in milliseconds at PERCENTILES, the tail drawn out: each further nine takes the same room.

    Args:
        series: name, the latencies at PERCENTILES, and the colour's number.
        title: the text alternative.
    """
    places = [_nines(percentile) for percentile in PERCENTILES]
    return line_chart(
        [
            Series(name=name, points=tuple(zip(places, latencies, strict=True)), colour=colour)
            for name, latencies, colour in series
        ],
        title=title,
        x_label="percentile of the requests",
        y_label="ms",
        x_ticks=[(place, f"p{percentile:g}") for place, percentile in zip(places, PERCENTILES, strict=True)],
        markers=True,
    )


def histogram_chart(distributions: Sequence[Distribution], *, title: str, x_label: str, height: float = 220) -> str:
    """Distributions over one another, each bin as its percentage of its own distribution's count.

    The x axis is logarithmic where the edges span more than a factor of 30.
    """
    shares = {one.name: _shares(one) for one in distributions}
    bins = [row for rows in shares.values() for row in rows]
    if not bins:
        return svg.svg(title, height, [svg.text(WIDTH / 2, height / 2, "nothing was counted", "tick middle")])
    low, high = min(lower for lower, _, _ in bins), max(upper for _, upper, _ in bins)
    logarithmic = low > 0 and high / low > 30
    x_ticks = log_ticks(low, high) if logarithmic else nice_ticks(high)
    x = Scale(low=x_ticks[0], high=x_ticks[-1], start=_LEFT, end=WIDTH - _RIGHT, logarithmic=logarithmic)
    y_ticks = nice_ticks(max(part for _, _, part in bins))
    y = Scale(low=0, high=y_ticks[-1], start=height - _BOTTOM, end=_TOP)
    body = [
        *_horizontal_grid(y, y_ticks),
        *(svg.text(x.at(tick), height - _BOTTOM + 15, number(tick), "tick middle") for tick in thinned(x_ticks)),
        svg.text(0, _UNIT_Y, "% of the answers", "unit"),
        svg.text(WIDTH - _RIGHT, height - 6, f"{x_label}, logarithmic" if logarithmic else x_label, "unit end"),
        *svg.legend([(one.name, one.colour) for one in distributions]),
    ]
    body += [_steps(shares[one.name], one.colour, x, y) for one in distributions if shares[one.name]]
    return svg.svg(title, height, body)


def stacked_bars(bars: Sequence[Bar], *, pieces: Sequence[str], title: str, x_label: str) -> str:
    """Horizontal bars, each the sum of its pieces, which it says at its end.

    Args:
        bars: from top to bottom.
        pieces: the legend: a name for each piece.
        title: the text alternative.
        x_label: what is measured, with its unit.
    """
    top, pitch = 28.0, 40.0
    height = top + pitch * len(bars) + 34
    ticks = nice_ticks(max((sum(bar.pieces) for bar in bars), default=0.0))
    x = Scale(low=0, high=ticks[-1], start=0, end=WIDTH - 52)
    bottom = top + pitch * len(bars) + 2
    body = [
        *(svg.line(x.at(tick), top, x.at(tick), bottom, "grid") for tick in ticks),
        *(svg.text(x.at(tick), bottom + 13, number(tick), "tick " + ("middle" if tick else "start")) for tick in ticks),
        svg.text(WIDTH - _RIGHT, height - 4, x_label, "unit end"),
        *svg.legend([(piece, index) for index, piece in enumerate(pieces)], left=0),
    ]
    for row, bar in enumerate(bars):
        y = top + pitch * row
        body.append(svg.text(0, y + 14, bar.name, "name"))
        reached = 0.0
        for index, (piece, length) in enumerate(zip(pieces, bar.pieces, strict=True)):
            left, right = x.at(reached), x.at(reached + length)
            reached += length
            body.append(
                f'<rect class="piece series-{index}" x="{left:.2f}" y="{y + 19:.1f}" width="{right - left:.2f}" '
                f'height="14"><title>{escape(f"{bar.name}, {piece}: {number(length)}")}</title></rect>'
            )
        body.append(svg.text(x.at(reached) + 5, y + 30, number(reached), "value"))
    return svg.svg(title, height, body)


def tolerance_chart(dots: Sequence[Dot], *, title: str) -> str:
    """How much of its tolerance each comparison used, on a logarithmic axis, one lane for each thing compared.

    A comparison that found no difference at all lies in a column of its own, at the left. Where several of one colour
    lie on one another, they are one dot, which names them all.
    """
    lanes = list(dict.fromkeys(dot.lane for dot in dots))
    top, pitch = 24.0, 52.0
    bottom = top + pitch * len(lanes)
    height = bottom + 38
    exact, left = 16.0, 74.0
    x = Scale(low=LEAST_USED, high=MOST_USED, start=left, end=WIDTH - _RIGHT, logarithmic=True)
    ticks = ((1e-6, "0.0001 %"), (1e-4, "0.01 %"), (1e-2, "1 %"), (1.0, "100 %"), (1e2, "100\N{MULTIPLICATION SIGN}"))
    limit = x.at(1)
    body = [
        f'<rect class="forbidden" x="{limit:.1f}" y="{top}" width="{x.end - limit:.1f}" height="{bottom - top:.1f}"/>',
        *(svg.line(x.at(value), top, x.at(value), bottom, "grid") for value, _ in ticks),
        *(
            svg.text(x.at(value), bottom + 14, text, "tick middle" if value < MOST_USED else "tick end")
            for value, text in ticks
        ),
        svg.text(exact, bottom + 14, "equal", "tick middle"),
        svg.text(limit, 12, "limit", "limit middle"),
        svg.line(limit, top - 6, limit, bottom, "limit"),
        svg.text(WIDTH - _RIGHT, height - 4, "used of the tolerance, logarithmic", "unit end"),
    ]
    for row, lane in enumerate(lanes):
        body.append(svg.line(0, top + pitch * row, WIDTH - _RIGHT, top + pitch * row, "grid"))
        body.append(svg.text(0, top + pitch * row + 13, lane, "name"))
        own = [dot for dot in dots if dot.lane == lane]
        body += _lane_dots(own, top + pitch * row + 20, lambda used: exact if used == 0 else x.at(used))
    return svg.svg(title, height, body)


def _lane_dots(dots: Sequence[Dot], top: float, at: Callable[[float], float]) -> list[str]:
    """The dots of a lane of 26 units below `top`, a row for each colour, failed ones above the others."""
    colours = sorted({dot.colour for dot in dots})
    stacks: dict[tuple[bool, int, str], list[Dot]] = {}
    for dot in dots:
        stacks.setdefault((dot.failed, dot.colour, f"{at(dot.used):.1f}"), []).append(dot)
    circles = []
    for (failed, colour, x), stack in sorted(stacks.items(), key=lambda item: item[0][0]):
        y = top + 26 * (colours.index(colour) + 0.5) / len(colours)
        names = "; ".join(f"{dot.name}: {share(dot.used)}" for dot in stack)
        circles.append(
            f'<circle class="dot {"failed" if failed else f"series-{colour}"}" cx="{x}" cy="{y:.1f}" r="4">'
            f"<title>{escape(names)}</title></circle>"
        )
    return circles


def tolerance_meter(used: float, *, failed: bool) -> str:
    """A bar for one table cell: `used` on the axis of `tolerance_chart`, with a mark at the limit."""
    x = Scale(low=LEAST_USED, high=MOST_USED, start=0, end=96, logarithmic=True)
    length = 0 if used == 0 else max(2, x.at(used))
    kind = "failed" if failed else "fill"
    return (
        f'<svg class="meter" role="img" viewBox="0 0 96 10" width="96" height="10">'
        f"<title>{escape(share(used))} of the tolerance</title>"
        f'<rect class="track" width="96" height="6" y="2" rx="3"/>'
        f'<rect class="{kind}" width="{length:.1f}" height="6" y="2" rx="3"/>'
        f'<path class="limit" d="M{x.at(1):.1f} 0V10"/></svg>'
    )


def _nines(percentile: float) -> float:
    """1 for p90, 2 for p99, 3 for p99.9."""
    return -math.log10(1 - percentile / 100)


def _vertical(values: Sequence[float], height: float) -> tuple[Scale, tuple[float, ...]]:
    high = max(values, default=1.0)
    low = min(values, default=0.0)
    logarithmic = low > 0 and high / low > 30
    ticks = log_ticks(low, high) if logarithmic else nice_ticks(high)
    scale = Scale(low=ticks[0], high=ticks[-1], start=height - _BOTTOM, end=_TOP, logarithmic=logarithmic)
    return scale, thinned(ticks)


def _shares(one: Distribution) -> list[tuple[float, float, float]]:
    """Lower edge, upper edge and percentage of each bin, from the first to the last with a count."""
    total = sum(count for _, count in one.bins)
    if not total:
        return []
    edges = [edge for edge, _ in one.bins]
    lowers = (edges[0] ** 2 / edges[1] if len(edges) > 1 else 0.0, *edges)
    rows = [(low, edge, 100 * count / total) for low, (edge, count) in zip(lowers, one.bins, strict=False)]
    filled = [index for index, (_, _, part) in enumerate(rows) if part]
    return rows[filled[0] : filled[-1] + 1]


def _steps(rows: list[tuple[float, float, float]], colour: int, x: Scale, y: Scale) -> str:
    path = f"M{x.at(rows[0][0]):.1f} {y.start:.1f}"
    for _, upper, part in rows:
        path += f"V{y.at(part):.1f}H{x.at(upper):.1f}"
    return f'<path class="steps series-{colour}" d="{path}V{y.start:.1f}"/>'


def _polylines(line: Series, x: Scale, y: Scale) -> list[str]:
    paths: list[list[str]] = [[]]
    for at, value in line.points:
        if value is None:
            paths.append([])
        else:
            paths[-1].append(f"{x.at(at):.1f},{y.at(value):.1f}")
    lines = [path for path in paths if path]
    return [f'<polyline class="line series-{line.colour}" points="{" ".join(path)}"/>' for path in lines]


def _markers(line: Series, x: Scale, y: Scale, unit: str) -> list[str]:
    return [
        f'<circle class="dot series-{line.colour}" cx="{x.at(at):.1f}" cy="{y.at(value):.1f}" r="3.5">'
        f"<title>{escape(f'{line.name}: {number(value)} {unit}')}</title></circle>"
        for at, value in line.points
        if value is not None
    ]


def _horizontal_grid(y: Scale, ticks: Sequence[float]) -> list[str]:
    lines = [svg.line(_LEFT, y.at(tick), WIDTH - _RIGHT, y.at(tick), "grid") for tick in ticks]
    axis = svg.line(_LEFT, y.start, WIDTH - _RIGHT, y.start, "axis")
    return [*lines, axis, *(svg.text(_LEFT - 6, y.at(tick) + 4, number(tick), "tick end") for tick in ticks)]
