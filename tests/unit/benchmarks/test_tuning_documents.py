"""The winner's way into the spec, and the page."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
import yaml

from benchmarks.tune.write_spec import with_setting
from tritonkit.report.tuning_page import Row, draw_tuning, pareto_front
from tritonkit.spec.errors import InputError
from tritonkit.spec.tuning import RateStep, Setting, TunedPoint, TuningReport

EXAMPLE = Path("examples/efficientnet_lite0/model.yaml")
SETTING = Setting(
    variant="int8",
    instances=3,
    threads=2,
    max_batch_size=4,
    max_queue_delay_microseconds=2000,
    preprocess_instances=1,
)


def _check(text: str) -> None:
    data = yaml.safe_load(text)
    serving = data["serving"]
    assert (serving["variant"], serving["max_batch_size"]) == ("int8", 4)
    assert serving["instance_group"][0]["count"] == 3
    assert serving["parameters"]["intra_op_thread_count"] == "2"
    assert serving["dynamic_batching"]["max_queue_delay_microseconds"] == 2000
    assert data["preprocess"]["serving"]["instance_group"] == [{"kind": "KIND_CPU", "count": 1}]


def test_values_are_replaced_where_they_stand_and_comments_stay():
    before = EXAMPLE.read_text()
    after = with_setting(before, SETTING)
    _check(after)
    removed = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line.startswith("- ")]
    assert len(removed) <= 6
    comments = [line for line in before.splitlines() if "#" in line]
    assert comments
    assert all(line in after.splitlines() for line in comments)


@pytest.mark.parametrize(
    "text",
    [
        "preprocess: {kind: image}\nserving:\n  variant: a # why\n  max_batch_size: 8 # keep\n  # last\n",
        "preprocess:\n  kind: image\n  serving: {}\nserving: {variant: a, max_batch_size: 8}\n".replace(
            "  serving: {}\n", ""
        ),
        'preprocess: {kind: image}\nserving: {variant: "a", max_batch_size: 8, parameters: {other: "1"}}\n',
    ],
)
def test_missing_keys_are_put_in_in_the_style_of_their_neighbours(text):
    after = with_setting(text, SETTING)
    _check(after)
    assert all(comment in after for comment in ("# why", "# keep", "# last") if comment in text)


def test_what_cannot_be_edited_is_refused():
    with pytest.raises(InputError, match="several instance groups"):
        with_setting("serving: {instance_group: [{count: 1}, {count: 2}], variant: a, max_batch_size: 1}", SETTING)
    with pytest.raises(InputError):
        with_setting("serving: nothing\n", SETTING)


def _step(answered, p99, met=True):
    return RateStep(offered=answered, answered=answered, p50=p99 / 3, p95=p99 / 2, p99=p99, met=met)


def test_the_front_holds_what_nothing_betters_in_both():
    steps = [_step(10, 20), _step(20, 30), _step(15, 40), _step(30, 25), _step(30, 90), _step(5, 10)]
    assert [(step.answered, step.p99) for step in pareto_front(steps)] == [(5, 10), (10, 20), (30, 25)]


def test_the_page_names_winner_objective_and_losers():
    point = TunedPoint(setting=SETTING, verdict="measured", rate=20, promise=21, steps=(_step(10, 20), _step(20, 45)))
    report = TuningReport(
        name="m<1>", objective="p99<50ms", max_drop_points=0.5, axes={}, settings=9, excluded={"fp16": "too far off"},
        points=(point,), own=SETTING, winner=SETTING, step_seconds=1, started_at="2026-11-24T10:00:00+00:00",
        seconds=100, machine="Linux", cores=2, tools={"optuna": "5"}, command="tritonkit tune x",
    )  # fmt: skip
    page = draw_tuning(report, [Row(setting=SETTING, rate=20.0, looks=1, why="the winner")], limit_ms=50.0)
    for text in (
        "m&lt;1&gt;",
        "p99&lt;50ms",
        "fp16 was left out: too far off",
        "the winner",
        "<svg",
        "tritonkit tune x",
    ):
        assert text in page
    nothing = report.model_copy(update={"winner": None})
    assert "No setting met" in draw_tuning(nothing, [], limit_ms=50.0)
