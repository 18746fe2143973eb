"""An ONNX file, read without its weights, says what ONNX Runtime says of it, and is refused where that refuses it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tritonkit.repository.onnx_models import read_onnx_model
from tritonkit.spec.errors import InputError

onnxruntime = pytest.importorskip("onnxruntime", reason="the truth that the reader is held against")

NAMES = {1: "float", 7: "int64", 8: "string", 9: "bool", 10: "float16", 11: "double", 16: "bfloat16"}


def value(name, shape, element=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, element, shape)


def model(nodes, inputs, outputs, initializers=(), *, opset=17, ir_version=8, domains=()):
    graph = helper.make_graph(list(nodes), "g", list(inputs), list(outputs), list(initializers))
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version)


def identity(shape, out_shape=None, element=TensorProto.FLOAT, **options):
    node = helper.make_node("Identity", ["x"], ["y"])
    return model([node], [value("x", shape, element)], [value("y", out_shape or shape, element)], **options)


def without_shape(proto, side):
    getattr(proto.graph, side)[0].type.tensor_type.ClearField("shape")
    return proto


WEIGHTS = numpy_helper.from_array(np.ones((16, 4), np.float32), "w")
PRODUCT = helper.make_node("MatMul", ["x", "w"], ["y"])
TARGET = numpy_helper.from_array(np.array([-1, 4], np.int64), "s")
SHAPE = [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Reshape", ["x", "s"], ["y"])]

LOADING = {
    "symbolic": identity(["N", 16]),
    "fixed": identity([2, 16]),
    "scalar": identity([]),
    "zero": identity([0, 4]),
    "negative": identity([-1, 4]),
    "no_output_shape": without_shape(identity(["N", 4]), "output"),
    "no_input_shape": without_shape(without_shape(identity(["N", 4]), "input"), "output"),
    "output_says_less": identity([2, 4], ["M", 4]),
    "output_contradicts": identity(["N", 4], ["N", 5]),
    "output_of_other_rank": identity(["N", 4], ["N", 4, 1]),
    "reshape": model(
        [helper.make_node("Reshape", ["x", "s"], ["y"])], [value("x", ["N", 16])], [value("y", ["a", "b"])], [TARGET]
    ),
    "shape_of_input": model(SHAPE, [value("x", [3, 16])], [value("y", ["a", "b"])]),
    "weights": model([PRODUCT], [value("x", ["N", 16])], [value("y", ["N", 4])], [WEIGHTS]),
    "overridable": model([PRODUCT], [value("x", ["N", 16]), value("w", [16, 4])], [value("y", ["N", 4])], [WEIGHTS]),
    "old_ir": model(
        [PRODUCT], [value("x", ["N", 16]), value("w", [16, 4])], [value("y", ["N", 4])], [WEIGHTS], ir_version=3
    ),
    "unused_input": model(
        [helper.make_node("Identity", ["x"], ["y"])], [value("x", [1]), value("u", [1])], [value("y", [1])]
    ),
    "input_is_output": model([], [value("x", ["N"])], [value("x", ["N"])]),
    "any_order": model(
        [helper.make_node("Identity", ["a"], ["y"]), helper.make_node("Identity", ["x"], ["a"])],
        [value("x", ["N"])],
        [value("y", ["N"])],
    ),
    "unused_domain": identity(["N"], domains=["foo.bar"]),
    "contrib": model(
        [helper.make_node("FusedMatMul", ["x", "x"], ["y"], domain="com.microsoft")],
        [value("x", [4, 4])],
        [value("y", [4, 4])],
        domains=["com.microsoft"],
    ),
    **{f"type_{name}": identity(["N", 4], element=code, opset=21, ir_version=10) for code, name in NAMES.items()},
}

OTHER_TYPE = identity(["N", 4])
OTHER_TYPE.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE
NO_INPUT_TYPE = identity(["N", 4])
NO_INPUT_TYPE.graph.input[0].ClearField("type")
NO_ELEMENT_TYPE = identity(["N", 4])
NO_ELEMENT_TYPE.graph.output[0].type.tensor_type.elem_type = 0
SHORT_WEIGHTS = onnx.TensorProto()
SHORT_WEIGHTS.CopyFrom(WEIGHTS)
SHORT_WEIGHTS.raw_data = WEIGHTS.raw_data[:100]
NO_IR = identity(["N"])
NO_IR.ClearField("ir_version")
NO_OPSET = identity(["N"])
NO_OPSET.ClearField("opset_import")

REFUSED = {
    "dangling_input": model([helper.make_node("Add", ["x", "z"], ["y"])], [value("x", ["N"])], [value("y", ["N"])]),
    "dangling_output": model([helper.make_node("Identity", ["x"], ["y"])], [value("x", ["N"])], [value("q", ["N"])]),
    "written_twice": model([helper.make_node("Identity", ["x"], ["y"])] * 2, [value("x", ["N"])], [value("y", ["N"])]),
    "input_twice": model([helper.make_node("Identity", ["x"], ["y"])], [value("x", [1])] * 2, [value("y", [1])]),
    "other_type": OTHER_TYPE,
    "no_input_type": NO_INPUT_TYPE,
    "no_element_type": NO_ELEMENT_TYPE,
    "shapes_that_do_not_fit": model(
        [helper.make_node("Add", ["a", "b"], ["y"])], [value("a", [2]), value("b", [3])], [value("y", [3])]
    ),
    "types_that_do_not_fit": model(
        [helper.make_node("Add", ["a", "b"], ["y"])],
        [value("a", [2]), value("b", [2], TensorProto.INT64)],
        [value("y", [2])],
    ),
    "complex": identity(["N"], element=TensorProto.COMPLEX64),
    "unknown_operator": model([helper.make_node("Foo", ["x"], ["y"])], [value("x", ["N"])], [value("y", ["N"])]),
    "unknown_attribute": model(
        [helper.make_node("Identity", ["x"], ["y"], nothing=1)], [value("x", ["N"])], [value("y", ["N"])]
    ),
    "newer_operator": model(
        [helper.make_node("Gelu", ["x"], ["y"])], [value("x", ["N"])], [value("y", ["N"])], opset=13
    ),
    "unknown_domain": model(
        [helper.make_node("Foo", ["x"], ["y"], domain="foo.bar")],
        [value("x", ["N"])],
        [value("y", ["N"])],
        domains=["foo.bar"],
    ),
    "short_weights": model([PRODUCT], [value("x", ["N", 16])], [value("y", ["N", 4])], [SHORT_WEIGHTS]),
    "no_ir_version": NO_IR,
    "no_opset": NO_OPSET,
}


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def as_tensors(arguments):
    """Name, type and dims of ONNX Runtime's arguments, in the reader's terms."""
    return [(arg.name, arg.type, tuple(dim if isinstance(dim, int) else -1 for dim in arg.shape)) for arg in arguments]


def named(tensors):
    return [(tensor.name, f"tensor({NAMES[tensor.element_type]})", tensor.dims) for tensor in tensors]


@pytest.mark.parametrize("name", LOADING)
def test_it_says_what_onnxruntime_says(name, tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(LOADING[name], path)
    found, truth = read_onnx_model(path), session(path)
    assert found.broken == ()
    assert named(found.inputs) == as_tensors(truth.get_inputs())
    assert named(found.overridable) == as_tensors(truth.get_overridable_initializers())
    assert named(found.outputs) == as_tensors(truth.get_outputs())


@pytest.mark.parametrize("name", REFUSED)
def test_it_finds_what_onnxruntime_refuses(name, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(REFUSED[name].SerializeToString())
    with pytest.raises(Exception, match=r"ONNXRuntimeError|Load model"):
        session(path)
    assert read_onnx_model(path).broken


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"this is text",
        identity(["N", 4]).SerializeToString()[:-7],
        onnx.ModelProto(ir_version=8).SerializeToString(),
    ],
    ids=["empty", "text", "truncated", "no_graph"],
)
def test_what_is_no_model_is_an_error(content, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_onnx_model(path)


def test_a_library_of_operators_brings_unknown_ones(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(REFUSED["unknown_domain"].SerializeToString())
    assert read_onnx_model(path, has_custom_operators=True).broken == ()


def test_weights_beside_the_file_are_listed_and_not_opened(tmp_path):
    path = tmp_path / "model.onnx"
    proto = onnx.ModelProto()
    proto.CopyFrom(LOADING["weights"])
    onnx.save(proto, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    (tmp_path / "w.bin").unlink()
    (entry,) = read_onnx_model(path).external_data
    assert (entry.location, entry.length, entry.size) == ("w.bin", 256, 256)


def test_large_weights_are_skipped(tmp_path):
    """64 MB of zeros, written sparse: the bytes that are handed to protobuf are the graph's alone."""
    from tritonkit.repository.onnx_bytes import without_weights

    weights = numpy_helper.from_array(np.zeros((16, 1 << 20), np.float32), "w")
    path = tmp_path / "model.onnx"
    onnx.save(model([PRODUCT], [value("x", ["N", 16])], [value("y", ["N", 1 << 20])], [weights]), path)
    slim, sizes = without_weights(path)
    assert sizes == [64 << 20]
    assert len(slim) < 1000
    assert read_onnx_model(path).broken == ()
