"""Charts of evaluations: every figure where it belongs, well-formed, nothing unescaped."""

import itertools
import re
from xml.etree import ElementTree as ET

import pytest

from tritonkit.evaluation.axes import ticks_between
from tritonkit.evaluation.metric_charts import Interval, confusion_chart, interval_chart, roc_chart, scatter_chart

HOSTILE = '</title></svg><script>alert("1")</script>'


def parse(svg: str) -> ET.Element:
    return ET.fromstring(svg)


def titles(svg: str) -> list[str]:
    return [title.text or "" for title in parse(svg).iter("title")]


def line_of(svg: str, kind: str) -> list[tuple[float, float]]:
    (found,) = [line for line in parse(svg).iter("polyline") if kind in line.attrib["class"].split()]
    return [tuple(map(float, pair.split(","))) for pair in found.attrib["points"].split()]


def test_a_roc_curve_lies_on_a_logarithmic_axis_above_chance():
    chart = roc_chart([(0, 0), (0, 0.5), (0.01, 0.75), (0.1, 1.0), (1, 1)], title="ROC")
    curve, chance = line_of(chart, "curve"), line_of(chart, "chance")
    assert curve[0][0] == curve[1][0], "what is below the axis' begin lies at its edge"
    steps = [after[0] - before[0] for before, after in itertools.pairwise(curve[1:])]
    assert steps == pytest.approx([steps[0]] * 3, abs=0.2), "a power of ten is as wide as the next"
    assert curve[1][1] == pytest.approx((curve[0][1] + curve[-1][1]) / 2, abs=0.2)
    assert chance[0][1] == pytest.approx(curve[0][1], abs=0.5)
    assert chance[-1] == curve[-1]


def test_a_confusion_matrix_tells_each_cell():
    chart = confusion_chart(["cup", "hat"], [[90, 10], [0, 4]], title="who for whom")
    told = titles(chart)
    assert "cup answered as hat: 10 of 100" in told
    assert "hat answered as hat: 4 of 4" in told
    cells = [rect.attrib for rect in parse(chart).iter("rect")]
    assert [cell["class"] for cell in cells] == ["right", "wrong", "wrong", "right"]
    strengths = [float(cell["fill-opacity"]) for cell in cells]
    assert strengths == [0.95, 0.32, 0.04, 1.0]
    counts = [text.text for text in parse(chart).iter("text") if "middle" in text.attrib["class"]]
    assert counts == ["90", "10", "4"], "nothing is written where nothing was confused"


def test_a_class_without_samples_has_an_empty_row():
    cells = list(parse(confusion_chart(["cup", "hat"], [[3, 0], [0, 0]], title="t")).iter("rect"))
    assert [cell.attrib["fill-opacity"] for cell in cells[2:]] == ["0.04", "0.04"]


def test_intervals_lie_around_their_dots_from_a_round_begin():
    row = [Interval(value=0.8, low=0.74, high=0.86), Interval(value=1.0, low=0.9, high=1.0)]
    chart = interval_chart([("cup", row)], series=("precision", "recall"), title="t", x_label="x")
    dots = [circle.attrib for circle in parse(chart).iter("circle")]
    whiskers = [line.attrib for line in parse(chart).iter("line") if "whisker" in line.attrib["class"]]
    for dot, whisker in zip(dots, whiskers, strict=True):
        assert float(whisker["x1"]) < float(dot["cx"]) <= float(whisker["x2"])
        assert dot["cy"] == whisker["y1"] == whisker["y2"]
    assert "cup, precision: 0.8 (0.74 to 0.86)" in titles(chart)
    ticks = [text.text for text in parse(chart).iter("text") if text.attrib["class"] == "tick middle"]
    assert ticks[0] == "0.7"
    assert ticks[-1] == "1"


def test_a_scatter_reaches_below_zero():
    chart = scatter_chart([(-3.0, -1.0), (0.0, 0.5), (7.0, 6.0)], title="t")
    places = [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in parse(chart).iter("circle")]
    assert places == sorted(places), "rising truths lie further right"
    assert [y for _, y in places] == sorted((y for _, y in places), reverse=True)
    assert len({y for _, y in places}) == 3
    (low_x, low_y), (high_x, high_y) = line_of(chart, "chance")
    assert (low_x, high_y) < (high_x, low_y)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (-3, 7, (-4, -2, 0, 2, 4, 6, 8)),
        (38, 310, (0, 100, 200, 300, 400)),
        (0.71, 0.99, (0.7, 0.8, 0.9, 1.0)),
        (5, 5, (5.0, 5.2)),
    ],
)
def test_ticks_between(low, high, ticks):
    assert ticks_between(low, high) == ticks


def test_names_are_escaped_everywhere():
    one = Interval(value=0.5, low=0.4, high=0.6)
    charts = (
        roc_chart([(0, 0), (1, 1)], title=HOSTILE),
        confusion_chart([HOSTILE], [[1]], title=HOSTILE),
        interval_chart([(HOSTILE, [one])], series=(HOSTILE,), title=HOSTILE, x_label=HOSTILE),
        scatter_chart([(0, 1)], title=HOSTILE),
    )
    for chart in charts:
        assert not re.search("<script", chart)
        assert parse(chart).find("title").text == HOSTILE
