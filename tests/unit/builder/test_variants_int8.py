"""INT8: static by each method and for each device, dynamic; sensitivity and mixed precision."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from builder.variants.int8 import layers, measure_ranges, quantise, quantise_dynamic
from builder.variants.sensitivity import Mixed, Quantiser, agreement, ask, find_mixed, measure_layers
from tritonkit.spec.errors import GateError
from tritonkit.spec.variants import Calibration

SAMPLES = np.random.default_rng(1).standard_normal((96, 3, 8, 8)).astype(np.float32)
SAMPLES[:, 1] *= 0.2


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Two convolutions, the second between values of very different size, and a head."""
    random = np.random.default_rng(0)
    weights = {
        "w1": random.standard_normal((8, 3, 3, 3)) / 5,
        "b1": random.standard_normal(8) / 5,
        "w2": random.standard_normal((8, 8, 3, 3)) / 8,
        "b2": random.standard_normal(8) / 5,
        "head": random.standard_normal((512, 5)) / 20,
        "bias": random.standard_normal(5),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], "conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], "conv2", pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["c2", "r1"], ["sum"], "add"),
        helper.make_node("Relu", ["sum"], ["r2"], "relu2"),
        helper.make_node("Flatten", ["r2"], ["flat"], "flatten"),
        helper.make_node("Gemm", ["flat", "head", "bias"], ["logits"], "gemm"),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 5])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    file = tmp_path_factory.mktemp("network") / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), file)
    return file


def calibration(method):
    return Calibration(name="random", source="none:none", method=method)


@pytest.fixture(scope="module")
def ranges(network, tmp_path_factory):
    file = tmp_path_factory.mktemp("ranges") / "ranges.json"
    measure_ranges(network, ({"image": row[None]} for row in SAMPLES[:40]), calibration("minmax"), file)
    return file


@pytest.mark.parametrize("method", ["minmax", "entropy", "percentile"])
def test_static_int8_agrees_with_fp32_by_every_method(network, tmp_path, method):
    measure_ranges(network, ({"image": row[None]} for row in SAMPLES[:40]), calibration(method), tmp_path / "r.json")
    quantise(network, tmp_path / "q.onnx", ranges=tmp_path / "r.json", method=method, device="cpu")
    got, want = (ask(file, {"image": SAMPLES[40:]}) for file in (tmp_path / "q.onnx", network))
    assert agreement(got, want) >= 0.9
    assert [file.name for file in tmp_path.iterdir() if "augmented" in file.name] == []


def test_each_device_gets_its_scheme(network, ranges, tmp_path):
    for device in ("cpu", "gpu"):
        quantise(network, tmp_path / f"{device}.onnx", ranges=ranges, method="minmax", device=device)
    graphs = {device: onnx.load(tmp_path / f"{device}.onnx").graph for device in ("cpu", "gpu")}
    numbers = {
        device: {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
        for device, graph in graphs.items()
    }
    # Per channel, for both; 7 bits for the CPU.
    for device in ("cpu", "gpu"):
        assert numbers[device]["w1_scale"].shape == (8,)
    assert np.abs(numbers["cpu"]["w1_quantized"].astype(int)).max() <= 64
    assert np.abs(numbers["gpu"]["w1_quantized"].astype(int)).max() == 127
    # TensorRT: symmetric, biases in float, and Conv, Add and ReLU side by side.
    assert all((array == 0).all() for name, array in numbers["gpu"].items() if name.endswith("_zero_point")), (
        "symmetric"
    )
    assert numbers["gpu"]["b1"].dtype == np.float32
    made = {output: node for node in graphs["gpu"].node for output in node.output}
    assert made[made[next(n for n in graphs["gpu"].node if n.name == "relu2").input[0]].input[0]].op_type == "Conv"


def test_kept_nodes_have_no_qdq(network, ranges, tmp_path):
    quantise(network, tmp_path / "q.onnx", ranges=ranges, method="minmax", device="cpu", keep_float=["conv2"])
    weights = {weight.name for weight in onnx.load(tmp_path / "q.onnx").graph.initializer}
    assert {"w2", "w1_quantized"} <= weights
    assert "w2_quantized" not in weights


def test_dynamic_int8_needs_no_calibration(network, tmp_path):
    quantise_dynamic(network, tmp_path / "q.onnx")
    model = onnx.load(tmp_path / "q.onnx")
    assert {node.domain for node in model.graph.node} == {""}, "standard operators only"
    got, want = (ask(file, {"image": SAMPLES[40:]}) for file in (tmp_path / "q.onnx", network))
    assert agreement(got, want) >= 0.9


def test_sensitivity_orders_layers_and_mixed_precision_keeps_the_fewest(network, ranges):
    graph, held_out = onnx.load(network), {"image": SAMPLES[40:]}
    assert [node.name for node in layers(graph)] == ["conv1", "conv2", "gemm"]
    quantiser = Quantiser(model=network, ranges=ranges, method="minmax", device="cpu")
    found = measure_layers(graph, quantiser, held_out)
    assert {layer.node for layer in found} == {"conv1", "conv2", "gemm"}
    assert [layer.noise for layer in found] == sorted((layer.noise for layer in found), reverse=True)
    assert all(0 < layer.noise < 0.1 for layer in found)
    full = find_mixed(quantiser, found, held_out, least=0.0)
    assert [point.kept for point in full] == [0]
    # Only float throughout agrees with itself everywhere, so the last point that is tried has every layer but one.
    with pytest.raises(GateError, match="whichever layers stay in float"):
        find_mixed(quantiser, found[:1], held_out, least=1.01)
    best = max(point.agreement for point in (*full, *_points(quantiser, found, held_out)))
    points = find_mixed(quantiser, found, held_out, least=best)
    assert [point.kept for point in points] == list(range(len(points)))
    assert all(point.agreement < best for point in points[:-1])
    assert points[-1].agreement >= best


def _points(quantiser, found, held_out):
    """Agreement with one and two layers in float."""
    want = ask(quantiser.model, held_out)
    for kept in (1, 2):
        answers = quantiser.answers(held_out, keep=[layer.node for layer in found[:kept]])
        yield Mixed(kept=kept, agreement=agreement(answers, want))


def test_an_unreachable_gate_is_an_error_with_both_figures(network, ranges):
    quantiser = Quantiser(model=network, ranges=ranges, method="minmax", device="cpu")
    found = measure_layers(onnx.load(network), quantiser, {"image": SAMPLES[40:60]})
    with pytest.raises(GateError, match="does not meet the gate"):
        find_mixed(quantiser, found[:2], {"image": SAMPLES[40:60]}, least=1.01)
