"""The charts: numbers where they belong, well-formed, with a text alternative, and nothing unescaped."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

import pytest

from tritonkit.evaluation.axes import Scale, log_ticks, nice_ticks, number, share
from tritonkit.evaluation.charts import (
    PERCENTILES,
    WIDTH,
    Bar,
    Distribution,
    Dot,
    Series,
    histogram_chart,
    line_chart,
    percentile_chart,
    stacked_bars,
    tolerance_chart,
    tolerance_meter,
)

HOSTILE = '</title></svg><script>alert("1")</script>'


def parse(svg: str) -> ET.Element:
    """The chart as a tree: it must be well-formed XML, as it is put into a page as it stands."""
    return ET.fromstring(svg)


def texts(svg: str, kind: str) -> list[str]:
    return [text.text or "" for text in parse(svg).iter("text") if kind in text.attrib["class"].split()]


def points_of(svg: str) -> list[list[tuple[float, float]]]:
    return [
        [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.attrib["points"].split())]
        for line in parse(svg).iter("polyline")
    ]


class TestScale:
    def test_linear(self):
        scale = Scale(low=0, high=10, start=100, end=200)
        assert [scale.at(value) for value in (0, 2.5, 10)] == [100, 125, 200]

    def test_upwards(self):
        assert Scale(low=0, high=4, start=180, end=40).at(1) == 145

    def test_logarithmic(self):
        scale = Scale(low=1e-4, high=1, start=0, end=400, logarithmic=True)
        assert [round(scale.at(value), 6) for value in (1e-4, 1e-3, 1e-2, 1)] == [0, 100, 200, 400]

    @pytest.mark.parametrize(("value", "place"), [(-1, 0), (0, 0), (2, 9), (math.inf, 9), (math.nan, 9)])
    def test_what_lies_outside_lies_at_the_edge(self, value, place):
        assert Scale(low=1e-6, high=1, start=0, end=9, logarithmic=True).at(value) == place


class TestNumbers:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (0, "0"),
            (0.012345, "0.0123"),
            (4.5, "4.5"),
            (13.0, "13"),
            (99.96, "100"),
            (1234.6, "1,235"),
            (-2.5, "-2.5"),
            (math.inf, "inf"),
        ],
    )
    def test_three_significant_digits(self, value, text):
        assert number(value) == text

    @pytest.mark.parametrize(("value", "text"), [(13.0, "13.0"), (9.5, "9.50"), (9.999, "10.0"), (400.0, "400")])
    def test_zeros_are_kept_in_a_column(self, value, text):
        assert number(value, zeros=True) == text

    @pytest.mark.parametrize(
        ("used", "text"),
        [
            (0, "0 %"),
            (1e-9, "< 0.0001 %"),
            (0.0031, "0.31 %"),
            (0.87, "87 %"),
            (1.0, "100 %"),
            (14.24, "14.2\N{MULTIPLICATION SIGN}"),
            (1e9, "over 1,000,000\N{MULTIPLICATION SIGN}"),
            (math.inf, "over 1,000,000\N{MULTIPLICATION SIGN}"),
            (math.nan, "not a number"),
        ],
    )
    def test_part_of_a_tolerance(self, used, text):
        assert share(used) == text


class TestTicks:
    @pytest.mark.parametrize(
        ("high", "ticks"),
        [
            (10, (0, 2, 4, 6, 8, 10)),
            (23.6, (0, 5, 10, 15, 20, 25)),
            (0.3, (0, 0.1, 0.2, 0.3)),
            (410, (0, 100, 200, 300, 400, 500)),
            (0, (0, 1)),
            (math.nan, (0, 1)),
        ],
    )
    def test_linear(self, high, ticks):
        assert nice_ticks(high) == ticks

    @pytest.mark.parametrize("exponent", range(-9, 12))
    @pytest.mark.parametrize("digits", [1.0, 1.7, 3.3, 7.9, 9.99])
    def test_linear_ticks_cover_the_value_and_are_few(self, exponent, digits):
        high = digits * 10.0**exponent
        ticks = nice_ticks(high)
        assert ticks[0] == 0
        assert ticks[-2] < high <= ticks[-1] * (1 + 1e-9)
        assert len(ticks) <= 7

    @pytest.mark.parametrize(
        ("low", "high", "ticks"),
        [(3, 40, (2, 5, 10, 20, 50)), (1, 100, (1, 2, 5, 10, 20, 50, 100)), (7, 7, (5, 10)), (10, 10, (10, 20))],
    )
    def test_logarithmic(self, low, high, ticks):
        assert log_ticks(low, high) == pytest.approx(ticks)


class TestLineChart:
    def draw(self, *series, **options):
        return line_chart(series, title="a title", x_label="seconds", y_label="ms", **options)

    def test_points_lie_where_their_values_are(self):
        svg = self.draw(Series(name="gRPC", points=((0.0, 0.0), (5.0, 10.0), (10.0, 5.0)), colour=0))
        # The plot goes from 46 to 402 across and, 220 units high, from 180 up to 40.
        assert points_of(svg) == [[(46, 180), (224, 40), (402, 110)]]

    def test_a_gap_breaks_the_line(self):
        points = ((0.0, 1.0), (1.0, 2.0), (2.0, None), (3.0, 2.0), (4.0, 1.0))
        assert [len(line) for line in points_of(self.draw(Series(name="a", points=points, colour=0)))] == [2, 2]

    def test_a_wide_span_is_logarithmic_and_says_so(self):
        svg = self.draw(Series(name="a", points=((0.0, 5.0), (1.0, 5000.0)), colour=0))
        assert "ms, logarithmic" in texts(svg, "unit")
        assert "1,000" in texts(svg, "tick")

    def test_a_narrow_span_starts_at_zero(self):
        svg = self.draw(Series(name="a", points=((0.0, 95.0), (1.0, 100.0)), colour=0))
        assert "ms" in texts(svg, "unit")
        assert "0" in texts(svg, "end")

    def test_axes_name_what_they_measure(self):
        assert texts(self.draw(Series(name="a", points=((0.0, 1.0),), colour=0)), "unit") == ["ms", "seconds"]

    def test_nothing_to_draw_is_an_empty_chart(self):
        svg = self.draw(Series(name="gRPC", points=(), colour=0))
        assert points_of(svg) == []
        assert texts(svg, "legend") == ["gRPC"]

    def test_not_a_number_is_drawn_at_the_top(self):
        svg = self.draw(Series(name="a", points=((0.0, 1.0), (1.0, math.nan)), colour=0))
        assert points_of(svg)[0][1][1] == 40


def test_percentiles_give_each_nine_the_same_room():
    svg = percentile_chart([("gRPC", (9.0, 12.0, 14.0, 17.0, 21.0), 0)], title="latency")
    (line,) = points_of(svg)
    places = [x for x, _ in line]
    assert places[3] - places[1] == pytest.approx(places[4] - places[3], abs=0.2)
    assert [text for text in texts(svg, "tick") if text.startswith("p")] == ["p50", "p90", "p95", "p99", "p99.9"]
    told = [title.text for title in parse(svg).iter("title")]
    assert "gRPC: 17 ms" in told
    assert len(told) == 1 + len(PERCENTILES)


class TestHistogram:
    def heights(self, svg):
        (path,) = [path.attrib["d"] for path in parse(svg).iter("path")]
        return [float(y) for y in re.findall(r"V([\d.]+)", path)][:-1]

    def test_heights_are_percentages_of_the_count(self):
        one = Distribution(name="gRPC", bins=((10.0, 25), (20.0, 50), (30.0, 25)), colour=0)
        svg = histogram_chart([one], title="t", x_label="ms")
        # 50 % is the top of the scale at 40; 25 % lies half way to the axis at 180.
        assert self.heights(svg) == [110, 40, 110]

    def test_the_first_bin_is_as_wide_by_ratio_as_the_second(self):
        one = Distribution(name="a", bins=((10.0, 1), (20.0, 1)), colour=0)
        svg = histogram_chart([one], title="t", x_label="ms")
        (path,) = [path.attrib["d"] for path in parse(svg).iter("path")]
        start = float(re.match(r"M([\d.]+)", path).group(1))
        assert start == pytest.approx(46 + (402 - 46) * 5 / 20, abs=0.1)

    def test_empty_bins_at_either_end_are_left_out(self):
        bins = ((1.0, 0), (2.0, 0), (3.0, 4), (4.0, 0), (5.0, 4), (900.0, 0))
        svg = histogram_chart([Distribution(name="a", bins=bins, colour=0)], title="t", x_label="ms")
        assert len(self.heights(svg)) == 3
        assert "ms" in texts(svg, "unit")

    def test_a_long_tail_is_logarithmic_and_says_so(self):
        bins = tuple((2.0**i, 5) for i in range(10))
        svg = histogram_chart([Distribution(name="a", bins=bins, colour=0)], title="t", x_label="ms")
        assert "ms, logarithmic" in texts(svg, "unit")

    @pytest.mark.parametrize("bins", [(), ((1.0, 0), (2.0, 0))])
    def test_nothing_counted(self, bins):
        svg = histogram_chart([Distribution(name="a", bins=bins, colour=0)], title="t", x_label="ms")
        assert "nothing was counted" in svg

    def test_one_bin(self):
        svg = histogram_chart([Distribution(name="a", bins=((5.0, 3),), colour=0)], title="t", x_label="ms")
        assert self.heights(svg) == [40]


class TestStackedBars:
    def test_pieces_follow_one_another_and_the_sum_stands_at_the_end(self):
        svg = stacked_bars(
            [Bar(name="pre", pieces=(2.0, 6.0)), Bar(name="model", pieces=(0.0, 1.0))],
            pieces=("queue", "compute"),
            title="t",
            x_label="ms",
        )
        pieces = [rect for rect in parse(svg).iter("rect") if "piece" in rect.attrib["class"]]
        spans = [(float(one.attrib["x"]), float(one.attrib["width"])) for one in pieces]
        unit = (WIDTH - 52) / 8
        assert spans == [(0, pytest.approx(2 * unit)), (pytest.approx(2 * unit), pytest.approx(6 * unit)),
                         (0, 0), (0, pytest.approx(unit))]  # fmt: skip
        assert texts(svg, "value") == ["8", "1"]
        assert texts(svg, "legend") == ["queue", "compute"]

    def test_nothing_measured(self):
        svg = stacked_bars([Bar(name="pre", pieces=(0.0,))], pieces=("queue",), title="t", x_label="ms")
        assert texts(svg, "value") == ["0"]


class TestToleranceChart:
    def circles(self, *dots):
        return [
            (circle.attrib["class"], float(circle.attrib["cx"]), float(circle.attrib["cy"]), circle[0].text)
            for circle in parse(tolerance_chart(dots, title="t")).iter("circle")
        ]

    def dot(self, used, **changes):
        return Dot(**({"lane": "End to end", "name": "score", "used": used, "colour": 0, "failed": used > 1} | changes))

    def test_the_limit_lies_where_all_of_the_tolerance_is_used(self):
        svg = parse(tolerance_chart([self.dot(1.0)], title="t"))
        (limit,) = [float(one.attrib["x1"]) for one in svg.iter("line") if one.attrib["class"] == "limit"]
        (circle,) = svg.iter("circle")
        assert float(circle.attrib["cx"]) == pytest.approx(limit)

    def test_two_decades_are_a_quarter_of_the_axis(self):
        ((_, one, _, _), (_, two, _, _), (_, six, _, _)) = self.circles(*map(self.dot, (1e-6, 1e-4, 1e2)))
        assert (two - one) * 4 == pytest.approx(six - one, abs=0.5)

    def test_no_difference_has_a_column_of_its_own(self):
        ((_, equal, _, _), (_, least, _, _)) = self.circles(self.dot(0.0), self.dot(1e-12))
        assert equal < least - 20

    def test_a_failure_is_marked_whatever_it_used(self):
        ((kind, _, _, told),) = self.circles(self.dot(0.4, failed=True))
        assert kind == "dot failed"
        assert told == "score: 40 %"

    def test_infinity_is_drawn_at_the_edge(self):
        ((kind, x, _, _),) = self.circles(self.dot(math.inf))
        assert (kind, x) == ("dot failed", WIDTH - 18)

    def test_dots_on_one_another_are_one_that_names_them_all(self):
        ((_, _, _, told),) = self.circles(self.dot(0.5, name="batch 1"), self.dot(0.5, name="batch 2"))
        assert told == "batch 1: 50 %; batch 2: 50 %"

    def test_protocols_lie_under_one_another(self):
        ((_, _, first, _), (_, _, second, _)) = self.circles(self.dot(0.5), self.dot(0.5, colour=1))
        assert first < second

    def test_a_lane_for_each_thing_compared(self):
        svg = tolerance_chart([self.dot(0.1), self.dot(0.1, lane="Artefact")], title="t")
        assert texts(svg, "name") == ["End to end", "Artefact"]


@pytest.mark.parametrize(
    ("used", "failed", "kind", "length"),
    [(0.0, False, "fill", 0), (1e-9, False, "fill", 2), (1.0, False, "fill", 72), (1e9, True, "failed", 96)],
)
def test_meter(used, failed, kind, length):
    bar = parse(tolerance_meter(used, failed=failed)).findall("rect")[1]
    assert (bar.attrib["class"], float(bar.attrib["width"])) == (kind, length)


@pytest.mark.parametrize(
    "svg",
    [
        line_chart([Series(name=HOSTILE, points=((0.0, 1.0),), colour=0)], title=HOSTILE, x_label=HOSTILE,
                   y_label=HOSTILE, markers=True),
        percentile_chart([(HOSTILE, (1.0,) * 5, 0)], title=HOSTILE),
        histogram_chart([Distribution(name=HOSTILE, bins=((1.0, 2),), colour=0)], title=HOSTILE, x_label=HOSTILE),
        stacked_bars([Bar(name=HOSTILE, pieces=(1.0,))], pieces=[HOSTILE], title=HOSTILE, x_label=HOSTILE),
        tolerance_chart([Dot(lane=HOSTILE, name=HOSTILE, used=0.1, colour=0, failed=False)], title=HOSTILE),
        tolerance_meter(0.3, failed=False),
    ],
    ids=["line", "percentile", "histogram", "bars", "tolerance", "meter"],
)  # fmt: skip
def test_every_chart_is_an_image_with_a_text_and_escapes_names(svg):
    tree = parse(svg)
    assert tree.tag == "svg"
    assert tree.attrib["role"] == "img"
    assert tree[0].tag == "title"
    assert tree[0].text
    assert not list(tree.iter("script"))
    assert "<script" not in svg
