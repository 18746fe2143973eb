"""Triton's log lines become records, and a model's failure its one-line reason."""

from __future__ import annotations

import pytest

from tritonkit.server.logs import LogReader, load_failures, parse_line

HEAD = "E1124 04:04:13.075058 10245 model_lifecycle.cc:642] "


def test_a_line_becomes_time_level_model_and_message() -> None:
    record = parse_line("I1124 04:04:12.973946 10245 model_lifecycle.cc:839] \"successfully loaded 'good'\"")
    assert (record.level, record.model, record.message) == ("info", "good", "successfully loaded 'good'")
    assert record.time is not None
    assert (record.time.month, record.time.day, record.time.microsecond) == (11, 24, 973946)
    assert record.source == "model_lifecycle.cc"


@pytest.mark.parametrize("line", ["", "| Model | Version |", "Signal (15) received.", "\x00\ufffd"])
def test_a_line_without_a_head_is_kept_as_it_is(line: str) -> None:
    record = parse_line(line)
    assert (record.level, record.time, record.model, record.message) == ("info", None, None, line)


@pytest.mark.parametrize(
    ("lines", "model", "reason"),
    [
        (
            [
                HEAD
                + r'''"failed to load 'bad' version 1: Internal: ValueError: no such\nthing\n\nAt:\n  /m.py(3): x\n"'''
            ],
            "bad",
            "no such thing",
        ),
        (
            [
                (
                    "[libprotobuf ERROR text_format.cc:337] Error parsing text-format inference.ModelConfig: 1:7: "
                    'Message type "inference.ModelConfig" has no field named "bakend".'
                ),
                HEAD
                + "\"Poll failed for model directory 'typo': failed to read text proto from /r/typo/config.pbtxt\"",
            ],
            "typo",
            (
                "failed to read text proto from /r/typo/config.pbtxt at 1:7: "
                'Message type "inference.ModelConfig" has no field named "bakend".'
            ),
        ),
        (
            [HEAD + "\"failed to load model 'v': at least one version must be available\""],
            "v",
            "at least one version must be available",
        ),
        (
            [HEAD + "\"failed to poll model 'none': model not found in any model repository.\""],
            "none",
            "model not found in any model repository.",
        ),
        (
            [
                HEAD
                + "\"Invalid argument: ensemble 'e' depends on 'm' which has no loaded version. Model 'm' loading …\""
            ],
            "e",
            "depends on 'm' which has no loaded version.",
        ),
    ],
)
def test_every_way_to_fail_gives_the_models_own_reason(lines: list[str], model: str, reason: str) -> None:
    (failure,) = load_failures(map(parse_line, lines))
    assert (failure.model, failure.reason) == (model, reason)


def test_a_growing_log_is_read_once_and_half_lines_wait(tmp_path) -> None:
    path = tmp_path / "log"
    reader = LogReader(path)
    assert reader.new_records() == []
    path.write_text("one\ntw")
    assert [record.message for record in reader.new_records()] == ["one"]
    with path.open("a") as log:
        log.write("o\nthree\n")
    assert [record.message for record in reader.new_records()] == ["two", "three"]
    assert reader.new_records() == []
