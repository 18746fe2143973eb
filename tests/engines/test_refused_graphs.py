"""Graphs that TensorRT does not take: the error names the node and says what to do."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from builder.engines.build_engine import build_engine
from tests.engines.small_graphs import conv, relu, value, write
from tritonkit.spec.errors import ConflictError, GateError, KitError


def gemm(path):
    weights = numpy_helper.from_array(np.ones((8, 4), np.float32), "w")
    tensors = {"inputs": [value("image", ("batch", 8))], "outputs": [value("y", ("batch", 4))]}
    node = helper.make_node("Gemm", ["image", "w"], ["y"], name="head")
    return write(path, [node], **tensors, initializers=[weights])


def unknown_operator(path):
    return write(path, [helper.make_node("Fancy", ["image"], ["y"], name="mine", domain="acme")], domains=["acme"])


def unsupported_operator(path):
    return write(path, [helper.make_node("Bernoulli", ["image"], ["y"], name="toss")])


def nameless(path):
    nodes = [helper.make_node("Relu", ["image"], ["z"]), helper.make_node("Bernoulli", ["z"], ["y"])]
    return write(path, nodes)


def impossible_shape(path):
    shape = numpy_helper.from_array(np.array([7, -1], np.int64), "s")
    return write(path, [helper.make_node("Reshape", ["image", "s"], ["y"], name="fold")], initializers=[shape])


def double(path):
    return relu(path, data_type=TensorProto.DOUBLE)


def text(path):
    types = {key: [value(name, data_type=TensorProto.STRING)] for key, name in (("inputs", "image"), ("outputs", "y"))}
    return write(path, [helper.make_node("Identity", ["image"], ["y"], name="copy")], **types)


@pytest.mark.parametrize(
    ("make", "capability", "says"),
    [
        (gemm, "7.5", r"got head \(Gemm\): .*FP32 GEMM is not supported.*convert the graph to FP16"),
        (unknown_operator, "8.6", r"node mine \(Fancy\): TensorRT has no such operator.*standard operators"),
        (unsupported_operator, "8.6", r"node toss \(Bernoulli\): TensorRT does not have this operator.*onnxruntime"),
        (nameless, "8.6", r"node #1 \(Bernoulli\)"),
        (impossible_shape, "8.6", r"got fold \(Reshape\): .*narrow the batch range"),
        (double, "8.6", "gives image another data type than the graph; got FLOAT; expected DOUBLE"),
        (text, "8.6", "TensorRT has no such data type"),
        (relu, "9.0", r"no such GPU among its targets; got 9\.0; expected .*8\.6.*12\.0"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_the_error_names_the_node_and_the_way_out(request_of, tmp_path, make, capability, says):
    request = request_of(make(tmp_path / "m.onnx"), capability)
    with pytest.raises(GateError, match=says) as caught:
        build_engine(tmp_path / "cache", *request)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache" / "engines").iterdir()) == []


def test_a_library_that_changed_since_the_key_was_made(request_of, tmp_path):
    graph, key, target = request_of(relu(tmp_path / "m.onnx"))
    other = key.model_copy(update={"version": "1.2.3.4"})
    with pytest.raises(ConflictError, match=r"got TensorRT-RTX .*expected 1\.2\.3\.4"):
        build_engine(tmp_path / "cache", graph, other, target)


def test_a_file_that_changed_since_the_key_was_made(request_of, tmp_path):
    request = request_of(relu(tmp_path / "m.onnx"))
    conv(tmp_path / "m.onnx")
    with pytest.raises(ConflictError, match="the ONNX file changed"):
        build_engine(tmp_path / "cache", *request)


def test_a_build_that_takes_too_long_is_ended(request_of, tmp_path):
    with pytest.raises(KitError, match="still running after 0 s"):
        build_engine(tmp_path / "cache", *request_of(relu(tmp_path / "m.onnx")), time_limit=0.01)
    assert list((tmp_path / "cache" / "engines").iterdir()) == []
