"""Graph clean-up, 16-bit formats, fused normalisation: held against the same graph in FP32."""

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from builder.variants.clean_up import clean_up
from builder.variants.half import FORMATS, to_half
from builder.variants.normalise import fuse_normalisation
from builder.variants.value_ranges import find_overflows, float_tensors, largest_magnitudes
from tritonkit.spec.errors import InputError

RANDOM = np.random.default_rng(0)


def run(model, **feed):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feed)[0]


def network(scale=1.0, opset=20, extra=()):
    """Conv, ReLU, LayerNormalization over a flattened map, Gemm; `scale` makes the middle large."""
    weights = {
        "w": RANDOM.standard_normal((4, 3, 3, 3)) * scale,
        "gain": np.ones(4 * 36),
        "head": RANDOM.standard_normal((4 * 36, 5)) / 12,
        "bias": np.zeros(5),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["conv"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"], "relu"),
        helper.make_node("Flatten", ["relu"], ["flat"], "flatten"),
        helper.make_node("LayerNormalization", ["flat", "gain"], ["normal"], "norm"),
        helper.make_node("Gemm", ["normal", "head", "bias"], ["logits"], "gemm"),
        *extra,
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 6, 6])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 5])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def images(rows=4):
    return RANDOM.standard_normal((rows, 3, 6, 6)).astype(np.float32)


def test_clean_up_removes_what_does_nothing_and_changes_no_answer():
    model = network()
    model.graph.node[0].input[0] = "same"
    model.graph.node.insert(0, helper.make_node("Identity", ["image"], ["same"], "same"))
    model.graph.node.append(helper.make_node("Neg", ["relu"], ["unused"], "unused"))
    done = clean_up(model)
    assert (done.nodes_before, done.nodes_after) == (7, 5)
    assert {entry.domain: entry.version for entry in done.model.opset_import} == {"": 20}
    x = images()
    np.testing.assert_allclose(run(done.model, image=x), run(model, image=x), rtol=1e-5, atol=1e-6)


def test_overflow_is_found_on_samples_and_its_nodes_stay_in_fp32():
    model, x = network(scale=40.0), images()
    largest = largest_magnitudes(model, [{"image": x}])
    found = find_overflows(model, largest, FORMATS["fp16"].largest)
    # The map reaches some hundreds: FP16 holds it, but not its square inside the normalisation.
    assert [overflow.node for overflow in found] == ["norm"]
    assert found[0].largest > 65504 > np.sqrt(found[0].largest)
    keep = frozenset(overflow.node for overflow in found)
    half = to_half(model, FORMATS["fp16"], float_tensors(model), keep)
    np.testing.assert_allclose(run(half, image=x), run(model, image=x), rtol=0.02, atol=0.02)


def test_a_weight_that_the_format_cannot_hold_keeps_its_node():
    model = network(scale=1e6)
    found = find_overflows(model, largest_magnitudes(model, [{"image": images()}]), FORMATS["fp16"].largest)
    assert found[0].node == "conv"


def test_an_infinite_value_is_an_overflow():
    model = network(scale=1e38)
    with np.errstate(all="ignore"):
        largest = largest_magnitudes(model, [{"image": images()}])
    assert any(overflow.largest == float("inf") for overflow in find_overflows(model, largest, 3e38))


@pytest.mark.parametrize("keep", [set(), {"relu"}, {"conv", "gemm"}, {"flatten", "norm"}])
def test_fp16_narrows_weights_and_keeps_the_surface(keep):
    model, x = network(), images()
    half = to_half(model, FORMATS["fp16"], float_tensors(model), frozenset(keep))
    narrow = {weight.name for weight in half.graph.initializer if weight.data_type == TensorProto.FLOAT16}
    assert narrow == {"w_fp16", "gain_fp16", "head_fp16", "bias_fp16"} - (
        ({"w_fp16"} if "conv" in keep else set())
        | ({"head_fp16", "bias_fp16"} if "gemm" in keep else set())
        | ({"gain_fp16"} if "norm" in keep else set())
    )
    assert [value.type.tensor_type.elem_type for value in (*half.graph.input, *half.graph.output)] == [1, 1]
    np.testing.assert_allclose(run(half, image=x), run(model, image=x), rtol=0.02, atol=0.02)


def test_bf16_takes_the_operators_whose_opset_allows_it():
    for opset, types in ((20, {"w"}), (22, set())):
        model = network(opset=opset)
        half = to_half(model, FORMATS["bf16"], float_tensors(model), frozenset())
        wide = {weight.name for weight in half.graph.initializer if weight.data_type == TensorProto.FLOAT}
        assert wide == types, "Conv takes bfloat16 from opset 22 on"
        head = next(weight for weight in half.graph.initializer if weight.name == "head_bf16")
        assert numpy_helper.to_array(head).dtype == ml_dtypes.bfloat16


def test_what_a_branch_reads_stays_in_fp32():
    body = [
        helper.make_graph(
            [helper.make_node(operator, ["relu"], [f"{operator}_out"], operator)],
            operator,
            [],
            [helper.make_tensor_value_info(f"{operator}_out", TensorProto.FLOAT, None)],
        )
        for operator in ("Neg", "Abs")
    ]
    model = network()
    branch = helper.make_node("If", ["yes"], ["branched"], "if", then_branch=body[0], else_branch=body[1])
    model.graph.node.insert(2, branch)
    model.graph.node[3].input[0] = "branched"
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    half, x = to_half(model, FORMATS["fp16"], float_tensors(model), frozenset()), images()
    np.testing.assert_allclose(run(half, image=x), run(model, image=x), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_fused_normalisation_gives_the_bits_of_the_plain_one(layout):
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    model = network()
    fused = fuse_normalisation(model, "image", mean=mean, std=std, layout=layout)
    pixels = RANDOM.integers(0, 256, (3, 6, 6, 3), dtype=np.uint8)
    plain = (pixels.astype(np.float32) / np.float32(255) - np.float32(mean)) / np.float32(std)
    got = run(fused, image=pixels if layout == "NHWC" else np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
    np.testing.assert_array_equal(got, run(model, image=np.ascontiguousarray(plain.transpose(0, 3, 1, 2))))
    assert fused.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8
    onnx.checker.check_model(fused, full_check=True)


def test_normalisation_needs_a_picture_input():
    with pytest.raises(InputError, match="normalisation can be fused"):
        fuse_normalisation(network(), "photo", mean=[0], std=[1], layout="NHWC")
