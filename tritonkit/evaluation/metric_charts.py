"""Charts of classifiers: who is taken for whom, ROC curves, figures with their intervals.

As in `charts`, colours come from the page's style sheet: besides its classes `whisker`, `curve`, `chance`, `right`,
`wrong` and `over`, which is text upon a strong colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from tritonkit.evaluation import svg
from tritonkit.evaluation.axes import Scale, nice_ticks, number, ticks_between

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LEAST_FALSE_POSITIVE = 1e-3
"""Where the logarithmic axis of ROC curves begins: below it a curve rests on a handful of samples."""

_SIDE = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure between 0 and 1, with the interval in which it surely lies."""

    value: float
    low: float
    high: float


def roc_chart(points: Sequence[tuple[float, float]], *, title: str) -> str:
    """One ROC curve over a logarithmic axis, on which the corner that good classifiers live in is wide.

    Args:
        points: false and true positive rate, both rising, from (0, 0) to (1, 1).
        title: the text alternative.
    """
    x = Scale(low=LEAST_FALSE_POSITIVE, high=1, start=34, end=_SIDE - 8, logarithmic=True)
    y = Scale(low=0, high=1, start=_SIDE - 38, end=8)
    ticks = ((1e-3, "0.1"), (1e-2, "1"), (1e-1, "10"), (1.0, "100"))
    body = [
        *(svg.line(x.start, y.at(part), x.end, y.at(part), "grid") for part in (0.5, 1.0)),
        svg.line(x.start, y.start, x.end, y.start, "axis"),
        *(
            svg.text(x.start - 5, y.at(part) + 4 * (part > 0), f"{100 * part:.0f}", "tick end")
            for part in (0.0, 0.5, 1.0)
        ),
        *(svg.text(x.at(part), y.start + 15, words, "tick middle") for part, words in ticks),
        svg.text(x.end, _SIDE - 6, "% of others taken for it", "unit end"),
        _path(((part, part) for part in (10 ** (power / 10 - 3) for power in range(31))), x, y, "chance"),
        _path(points, x, y, "curve series-0"),
    ]
    return svg.svg(title, _SIDE, body, width=_SIDE)


def _path(points: Iterable[tuple[float, float]], x: Scale, y: Scale, kind: str) -> str:
    places = " ".join(f"{x.at(across):.1f},{y.at(up):.1f}" for across, up in points)
    return f'<polyline class="{kind}" points="{places}"/>'


def confusion_chart(names: Sequence[str], counts: Sequence[Sequence[int]], *, title: str) -> str:
    """A table of truths (rows) against answers (columns), each cell as strong as its part of the row.

    Args:
        names: of the classes; at most 20 are legible.
        counts: samples by truth and answer.
        title: the text alternative.
    """
    left, top = 88.0, 76.0
    cell = (svg.WIDTH - left) / len(names)
    body = []
    for column, name in enumerate(names):
        # Names slope down to their column from the left, where there is room.
        place = f"translate({left + cell * (column + 0.5):.1f} {top - 6:.1f}) rotate(50)"
        body.append(f'<text class="name end" transform="{place}">{escape(name)}</text>')
    for row, (truth, line) in enumerate(zip(names, counts, strict=True)):
        y = top + cell * row
        body.append(svg.text(left - 6, y + cell / 2 + 4, truth, "name end"))
        for column, (answer, count) in enumerate(zip(names, line, strict=True)):
            body.append(_cell(left + cell * column, y, cell, truth, answer, count, sum(line), right=row == column))
    return svg.svg(title, top + cell * len(names) + 4, body)


def _cell(x: float, y: float, side: float, truth: str, answer: str, count: int, of: int, *, right: bool) -> str:
    # Confusions are a few percent of a row: by the root of the part they are seen.
    strength = (count / of) ** 0.5 if of else 0.0
    told = f"{truth} answered as {answer}: {count:,} of {of:,}"
    words = svg.text(x + side / 2, y + side / 2 + 4, f"{count}", f"middle {'over' if strength > 0.6 else 'value'}")
    return (
        f'<rect class="{"right" if right else "wrong"}" x="{x + 1:.1f}" y="{y + 1:.1f}" width="{side - 2:.1f}" '
        f'height="{side - 2:.1f}" rx="2" fill-opacity="{max(strength, 0.04):.2f}"><title>{escape(told)}</title></rect>'
        f"{words if count else ''}"
    )


def interval_chart(
    rows: Sequence[tuple[str, Sequence[Interval]]], *, series: Sequence[str], title: str, x_label: str
) -> str:
    """Figures between 0 and 1 as dots with whiskers, a row for each name, one dot for each of `series`."""
    left, top, pitch = 88.0, 24.0, 30.0
    bottom = top + pitch * len(rows)
    least = min((one.low for _, row in rows for one in row), default=0.0)
    x = Scale(low=int(least * 10) / 10 if least < 1 else 0.9, high=1, start=left, end=svg.WIDTH - 14)
    ticks = [x.low + tick for tick in nice_ticks(1 - x.low) if x.low + tick <= 1 + 1e-9]
    body = [
        *(svg.line(x.at(tick), top, x.at(tick), bottom, "grid") for tick in ticks),
        *(svg.text(x.at(tick), bottom + 14, number(tick), "tick middle") for tick in ticks),
        svg.text(x.end, bottom + 30, x_label, "unit end"),
        *svg.legend([(name, colour) for colour, name in enumerate(series)]),
    ]
    for place, (name, row) in enumerate(rows):
        middle = top + pitch * (place + 0.5)
        body.append(svg.text(left - 6, middle + 4, name, "name end"))
        for colour, one in enumerate(row):
            y = middle + 8 * (colour - (len(row) - 1) / 2)
            told = f"{name}, {series[colour]}: {number(one.value)} ({number(one.low)} to {number(one.high)})"
            body.append(svg.line(x.at(one.low), y, x.at(one.high), y, f"whisker series-{colour}"))
            body.append(
                f'<circle class="dot series-{colour}" cx="{x.at(one.value):.1f}" cy="{y:.1f}" r="3.5">'
                f"<title>{escape(told)}</title></circle>"
            )
    return svg.svg(title, bottom + 36, body)


def scatter_chart(pairs: Sequence[tuple[float, float]], *, title: str) -> str:
    """Answers over truths, on one scale for both, with the line on which they are equal."""
    values = [value for pair in pairs for value in pair]
    ticks = ticks_between(min(values), max(values))
    side = 340.0
    x = Scale(low=ticks[0], high=ticks[-1], start=52, end=side - 14)
    y = Scale(low=ticks[0], high=ticks[-1], start=side - 44, end=26)
    body = [
        svg.text(0, 12, "answer", "unit"),
        svg.text(x.end, side - 10, "truth", "unit end"),
        *(svg.line(x.start, y.at(tick), x.end, y.at(tick), "grid") for tick in ticks),
        *(svg.line(x.at(tick), y.start, x.at(tick), y.end, "grid") for tick in ticks),
        *(svg.text(x.start - 6, y.at(tick) + 4, number(tick), "tick end") for tick in ticks),
        *(svg.text(x.at(tick), y.start + 16, number(tick), "tick middle") for tick in ticks),
        _path([(ticks[0], ticks[0]), (ticks[-1], ticks[-1])], x, y, "chance"),
    ]
    body += [
        f'<circle class="dot series-0" cx="{x.at(truth):.1f}" cy="{y.at(answer):.1f}" r="3.5">'
        f"<title>{escape(f'truth {number(truth)}, answer {number(answer)}')}</title></circle>"
        for truth, answer in pairs
    ]
    return svg.svg(title, side, body)
