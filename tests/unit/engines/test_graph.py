"""What is read off an ONNX file."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from builder.engines.graph import GraphInput, read_graph
from tests.engines.small_graphs import conv, quantised, relu, value, write
from tritonkit.spec.errors import GateError, InputError


def test_inputs_keep_the_symbols_of_free_dimensions(tmp_path):
    graph = read_graph(relu(tmp_path / "m.onnx", dims=("batch", 3, "height", 8)))
    assert graph.inputs == (GraphInput(name="image", data_type="FLOAT", dims=("batch", 3, "height", 8)),)
    assert graph.outputs == {"y": "FLOAT"}
    assert graph.operators == {"activation": "Relu"}


@pytest.mark.parametrize(
    ("dtype", "precision"), [(np.float32, "fp32"), (np.float16, "fp16")], ids=["float32", "float16"]
)
def test_precision_is_the_one_that_most_weights_are_held_in(tmp_path, dtype, precision):
    weights = [
        numpy_helper.from_array(np.ones((3, 3, 3, 3), dtype), "w"),
        # One lone scale in full precision does not make the graph FP32.
        numpy_helper.from_array(np.ones(1, np.float32), "scale"),
    ]
    node = helper.make_node("Conv", ["image", "w"], ["y"], name="c")
    path = write(tmp_path / "m.onnx", [node], initializers=weights)
    assert read_graph(path).precision == precision


def test_precision_of_a_graph_without_weights_is_that_of_its_input(tmp_path):
    assert read_graph(relu(tmp_path / "m.onnx", data_type=TensorProto.BFLOAT16)).precision == "bf16"


def test_signed_zero_points_make_a_graph_int8(tmp_path):
    assert read_graph(quantised(tmp_path / "m.onnx", np.array(0, np.int8))).precision == "int8"


def test_zero_points_may_be_constant_nodes(tmp_path):
    zero = numpy_helper.from_array(np.array(0, np.int8), "zero")
    nodes = [
        helper.make_node("Constant", [], ["z"], value=zero),
        helper.make_node("QuantizeLinear", ["image", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    scale = numpy_helper.from_array(np.array(0.1, np.float32), "s")
    assert read_graph(write(tmp_path / "m.onnx", nodes, initializers=[scale])).precision == "int8"


@pytest.mark.parametrize(("zero", "name"), [(np.uint8(0), "UINT8"), (np.int32(0), "INT32")])
def test_quantisation_that_tensorrt_reads_as_other_numbers_is_refused(tmp_path, zero, name):
    path = quantised(tmp_path / "m.onnx", np.array(zero))
    with pytest.raises(GateError, match=f"quantise .QuantizeLinear.*got {name}.*QInt8"):
        read_graph(path)


def test_a_quantiser_without_zero_point_is_unsigned_as_onnx_says(tmp_path):
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "s"], ["q"], name="quantise"),
        helper.make_node("DequantizeLinear", ["q", "s"], ["y"]),
    ]
    scale = numpy_helper.from_array(np.array(0.1, np.float32), "s")
    with pytest.raises(GateError, match="UINT8"):
        read_graph(write(tmp_path / "m.onnx", nodes, initializers=[scale]))


def test_the_digest_covers_weights_beside_the_file(tmp_path):
    model = onnx.load(conv(tmp_path / "whole.onnx"))
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    before = read_graph(tmp_path / "m.onnx").sha256
    data = tmp_path / "m.data"
    data.write_bytes(data.read_bytes()[:-1] + b"\x01")
    assert read_graph(tmp_path / "m.onnx").sha256 != before
    data.unlink()
    with pytest.raises(InputError, match=r"not there.*m\.data"):
        read_graph(tmp_path / "m.onnx")


@pytest.mark.parametrize("content", [b"", b"this is no protobuf"])
def test_a_file_that_is_no_onnx_is_refused(tmp_path, content):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"m\.onnx"):
        read_graph(path)


def test_initializers_that_are_inputs_too_are_not_inputs(tmp_path):
    weights = numpy_helper.from_array(np.ones((3, 3, 3, 3), np.float32), "w")
    node = helper.make_node("Conv", ["image", "w"], ["y"])
    path = write(tmp_path / "m.onnx", [node], inputs=[value("image"), value("w", (3, 3, 3, 3))], initializers=[weights])
    assert [tensor.name for tensor in read_graph(path).inputs] == ["image"]
