"""Stateful networks and streams in `model.yaml`: what is refused, and what a client sees of them."""

import copy
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from tritonkit.spec.model import ModelSpec

EXAMPLES = Path(__file__).parents[3] / "examples"


def _fields(name):
    return yaml.safe_load((EXAMPLES / name / "model.yaml").read_text())


def _changed(fields, path, value):
    fields = copy.deepcopy(fields)
    place = fields
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return fields


def test_a_client_sees_no_state():
    spec = ModelSpec.model_validate(_fields("gru_sequence"))
    assert [tensor.name for tensor in spec.served_inputs()] == ["value"]
    assert [tensor.name for tensor in spec.served_outputs()] == ["forecast"]
    assert ModelSpec.model_validate(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("serving", "sequence_batching", "state", 0, "input_name"), "memory", "inputs have no memory"),
        (("serving", "sequence_batching", "state", 0, "output_name"), "value", "outputs have no value"),
        (("serving", "sequence_batching", "state", 0, "output_name"), "memory_in", "named twice"),
        (("outputs", 1, "dims"), [16], r"\[32\] and memory_out is TYPE_FP32 \[16\]"),
        (("outputs", 1, "data_type"), "TYPE_FP16", "one type and one fixed shape"),
        (("inputs",), [{"name": "memory_in", "data_type": "TYPE_FP32", "dims": [32]}], "a client must send an input"),
        (("serving", "sequence_batching", "state"), [], "at least 1 item"),
        (("serving", "dynamic_batching"), {"max_queue_delay_microseconds": 5}, "Triton takes one of them"),
        (("serving", "max_batch_size"), 0, "needs a batch dimension"),
        (("serving", "sequence_batching"), None, "source.sequence belongs to serving.sequence_batching"),
        (("variants",), [{"name": "fp32", "backend": "python"}], "of backend onnxruntime"),
        (("samples",), {}, "takes its questions from samples.requests"),
        (
            ("postprocess",),
            {
                "kind": "python",
                "file": "post.py",
                "outputs": [{"name": "other", "data_type": "TYPE_FP32", "dims": [1]}],
            },
            "neither preprocess nor postprocess",
        ),
        (("source",), {"file": "a.onnx", "sequence": "network:whole"}, "the network of `factory`, which is missing"),
    ],
)
def test_a_stateful_network_that_cannot_be_served_is_refused(path, value, message):
    with pytest.raises(ValidationError, match=message):
        ModelSpec.model_validate(_changed(_fields("gru_sequence"), path, value))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("serving", "max_batch_size"), 4, "one request at a time"),
        (("variants",), [{"name": "numpy"}], "have backend python"),
        (("samples",), {}, "takes its questions from samples.requests"),
        (("source", "file"), "net.onnx", "or `stream`"),
        (("source", "stream", "time_limit"), 0, "greater than 0"),
        (("config_text",), "something: 1", "no config_text"),
    ],
)
def test_a_stream_that_cannot_be_served_is_refused(path, value, message):
    with pytest.raises(ValidationError, match=message):
        ModelSpec.model_validate(_changed(_fields("decoupled_stream"), path, value))
