"""The pure parts of the embedded onnxruntime backend: values, batches, ragged inputs, states, strings."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import tritonkit.server

# Triton puts this folder on the path of a model's process; so does this test.
FOLDER = str(Path(tritonkit.server.__file__).parent / "backends" / "onnxruntime")
sys.path.append(FOLDER)
import ort_batching  # noqa: E402 - after its folder is on the path
import ort_config  # noqa: E402 - after its folder is on the path
import ort_signature  # noqa: E402 - after its folder is on the path
import ort_states  # noqa: E402 - after its folder is on the path
import ort_strings  # noqa: E402 - after its folder is on the path
import ort_validation  # noqa: E402 - after its folder is on the path

sys.path.remove(FOLDER)

SETTINGS = ort_config.backend_settings({})


def test_the_folder_is_no_package() -> None:
    assert not (Path(FOLDER) / "__init__.py").exists(), "on a sys.path it would hide the real onnxruntime"


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1), (" 1", 1), ("\t+7", 7), ("1abc", 1), ("1.9", 1), ("-3", -3), ("0x", 0), ("2147483647", 2**31 - 1)],
)
def test_integers_are_read_as_stoi_reads_them(text: str, number: int) -> None:
    assert ort_config.parse_integer(text) == number


@pytest.mark.parametrize("text", ["", "two", "-", "+ 1", "x1", "\uff12", "2147483648", "99999999999", "-2147483649"])
def test_what_stoi_throws_at_is_refused(text: str) -> None:
    with pytest.raises(ort_config.RefusedError):
        ort_config.parse_integer(text)


@pytest.mark.parametrize(("text", "value"), [("TRUE", True), ("On", True), ("1", True), ("oFF", False), ("0", False)])
def test_booleans_in_any_case(text: str, value: bool) -> None:
    assert ort_config.parse_boolean(text) is value


@pytest.mark.parametrize("text", ["yes", "", "2", " true", "t"])
def test_other_words_are_no_booleans(text: str) -> None:
    with pytest.raises(ort_config.RefusedError, match="to boolean"):
        ort_config.parse_boolean(text)


def test_backend_settings_and_the_global_thread_pool() -> None:
    settings = ort_config.backend_settings(
        {
            "TRITONKIT_ONNXRUNTIME_DEFAULT_MAX_BATCH_SIZE": "7",
            "TRITONKIT_ONNXRUNTIME_ENABLE_GLOBAL_THREADPOOL": "on",
            "TRITONKIT_ONNXRUNTIME_INTRA_OP_THREAD_COUNT": "3",
            "TRITONKIT_TARGET": "25.04",
        }
    )
    assert (settings.default_max_batch_size, settings.global_threads, settings.target) == (7, (3, 0), (25, 4))
    config = {"parameters": {"intra_op_thread_count": {"string_value": "not read"}}}
    assert ort_config.session_settings(config, settings).intra_op_threads == 3
    with pytest.raises(ort_config.RefusedError):
        ort_config.backend_settings({"TRITONKIT_ONNXRUNTIME_ENABLE_GLOBAL_THREADPOOL": "perhaps"})


@pytest.mark.parametrize(
    ("level", "name"), [(-1, "basic"), (0, "all"), (1, "extended"), (2, "none"), (3, "all"), (99, "all")]
)
def test_graph_levels(level: int, name: str) -> None:
    config = {"optimization": {"graph": {"level": level}}}
    assert ort_config.session_settings(config, SETTINGS).graph_level == name


def test_a_parameter_of_2502_is_ignored_before() -> None:
    config = {"parameters": {"session.use_device_allocator_for_initializers": {"string_value": "1"}}}
    old = ort_config.backend_settings({"TRITONKIT_TARGET": "24.12"})
    assert ort_config.session_settings(config, old).session_entries == ()
    assert len(ort_config.session_settings(config, SETTINGS).session_entries) == 1


def test_one_request_is_not_copied_and_parts_are_views() -> None:
    rows = np.arange(8.0).reshape(2, 4)
    assert ort_batching.join([{"x": rows}], frozenset())["x"] is rows
    joined = ort_batching.join([{"x": rows}, {"x": rows}], frozenset())["x"]
    first, second = ort_batching.split("y", joined, (2, 2))
    assert first.base is joined
    assert second.base is joined
    np.testing.assert_array_equal(second, rows)


def test_an_answer_with_too_few_rows_is_refused() -> None:
    with pytest.raises(ort_config.RefusedError, match="at least 5 in model output, got 4"):
        ort_batching.split("y", np.zeros((4, 1)), (3, 2))


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("BATCH_ELEMENT_COUNT", [2, 3]),
        ("BATCH_ACCUMULATED_ELEMENT_COUNT", [2, 5]),
        ("BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO", [0, 2, 5]),
        ("BATCH_MAX_ELEMENT_COUNT_AS_SHAPE", [0, 0, 0]),
        ("BATCH_ITEM_SHAPE", [[2], [3]]),
        ("BATCH_ITEM_SHAPE_FLATTEN", [2, 3]),
    ],
)
def test_batch_inputs_of_every_kind(kind: str, wanted: list) -> None:
    feeds = [{"x": np.zeros((1, 2))}, {"x": np.zeros((1, 3))}]
    config = {
        "batch_input": [{"kind": kind, "target_name": ["n"], "data_type": "TYPE_FP32", "source_input": ["x"]}],
    }
    (batch_input,) = ort_batching.batch_inputs(config)
    array = ort_batching.batch_input_array(batch_input, feeds)
    assert array.dtype == np.float32
    assert array.tolist() == wanted


def test_a_batch_output_is_dealt_out_by_the_inputs_shapes() -> None:
    config = {
        "max_batch_size": 8,
        "output": [{"name": "y", "dims": ["-1"]}],
        "batch_output": [{"target_name": ["y"], "source_input": ["x"]}],
    }
    output = ort_batching.scattered_outputs(config)["y"]
    feeds = [{"x": np.zeros((1, 2))}, {"x": np.zeros((1, 3))}]
    parts = ort_batching.scatter(output, np.arange(5.0), feeds)
    assert [part.tolist() for part in parts] == [[[0, 1]], [[2, 3, 4]]]


def test_the_states_of_idle_sequences_are_forgotten() -> None:
    now = 0.0
    store = ort_states.StateStore(states=(ort_states.State("in", "out"),), idle_seconds=1.0, clock=lambda: now)
    for sequence in range(1000):
        store.keep({"out": np.ones(4)}, sequence, ort_states.START)
    now = 1.9
    store.keep({"out": np.zeros(4)}, 7, 0)
    store.forget_idle()
    assert len(store) == 1000, "within twice the idle time a late request may still come"
    now = 2.5
    store.forget_idle()
    assert len(store) == 1
    feed: dict = {"in": np.full(4, 9.0)}
    store.fill(feed, 7, 0)
    assert feed["in"].tolist() == [0.0] * 4


def test_a_sequence_starts_with_the_servers_state_and_ends_without_one() -> None:
    store = ort_states.StateStore(states=(ort_states.State("in", "out"),), idle_seconds=1.0)
    store.keep({"out": np.ones(1)}, "s", 0)
    feed: dict = {"in": np.zeros(1)}
    store.fill(feed, "s", ort_states.START)
    assert feed["in"].tolist() == [0.0]
    store.keep({"out": np.ones(1)}, "s", ort_states.END)
    assert len(store) == 0


def test_the_kept_state_is_no_view_of_a_batch() -> None:
    store = ort_states.StateStore(states=(ort_states.State("in", "out"),), idle_seconds=1.0)
    batch = np.zeros((1000, 1))
    store.keep({"out": batch[:1]}, 1, 0)
    feed: dict = {}
    store.fill(feed, 1, 0)
    assert feed["in"].base is None


def test_strings_are_cut_at_the_first_nul() -> None:
    array = ort_strings.to_runtime(np.array([[b"ab\0c", b""], [b"\xff", b"abcd"]], dtype=np.object_))
    assert array.tolist() == [[b"ab", b""], [b"\xff", b"abcd"]]
    assert array.dtype.itemsize == 5, "one byte more than the longest"
    assert ort_strings.to_runtime(np.empty((0, 2), dtype=np.object_)).shape == (0, 2)


def test_a_duplicate_control_tensor_is_refused() -> None:
    signature = ort_signature.Signature(
        inputs={"c": ort_signature.TensorInfo("c", "TYPE_FP32", (-1, 1))}, outputs={}, initializers={}
    )
    control = {"name": "c", "control": [{"kind": "CONTROL_SEQUENCE_START", "fp32_false_true": [0, 1]}]}
    config = {"name": "m", "max_batch_size": 1, "sequence_batching": {"control_input": [control, control]}}
    with pytest.raises(ort_config.RefusedError, match="specified for multiple control kinds"):
        ort_validation.validate(config, signature, (26, 7))
