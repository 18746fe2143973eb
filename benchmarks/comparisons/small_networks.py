"""ONNX networks and their configurations, made on the spot: what is measured is the serving, whatever the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from pathlib import Path

INPUT, OUTPUT = "x", "y"
_CONFIG = """
name: "{name}"
backend: "onnxruntime"
max_batch_size: {batch}
input [{{ name: "x" data_type: TYPE_FP32 dims: [{dims}] }}]
output [{{ name: "y" data_type: TYPE_FP32 dims: [{dims}] }}]
instance_group [{{ kind: KIND_CPU count: {instances} }}]
parameters {{ key: "intra_op_thread_count" value {{ string_value: "1" }} }}
{batching}
"""


def perceptron(width: int, layers: int) -> bytes:
    """[N, width] -> [N, width]: layers of `width` by `width` weights, where a batch reads the weights only once."""
    rng = np.random.default_rng(0)
    nodes, weights, value = [], [], INPUT
    for layer in range(layers):
        matrix = (rng.standard_normal((width, width)) / np.sqrt(width)).astype(np.float32)
        weights.append(numpy_helper.from_array(matrix, f"w{layer}"))
        nodes += [
            helper.make_node("MatMul", [value, f"w{layer}"], [f"h{layer}"]),
            helper.make_node("Relu", [f"h{layer}"], [OUTPUT if layer == layers - 1 else f"r{layer}"]),
        ]
        value = f"r{layer}"
    return _model(nodes, weights, width)


def identity() -> bytes:
    """[N, any] -> the same: all its time goes into carrying the tensor."""
    return _model([helper.make_node("Identity", [INPUT], [OUTPUT])], [], "width")


def write_model(folder: Path, content: bytes, *, dims: int, instances: int = 1, batch: int = 0) -> None:
    """A model folder named as `folder` is.

    Args:
        folder: where to.
        content: the ONNX file.
        dims: of the one input and output; -1 leaves it open.
        instances: how many copies.
        batch: the largest batch that the dynamic batcher gathers; 0 and 1 leave it out.
    """
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.onnx").write_bytes(content)
    batching = "dynamic_batching {}" if batch > 1 else ""
    text = _CONFIG.format(name=folder.name, dims=dims, instances=instances, batch=max(1, batch), batching=batching)
    (folder / "config.pbtxt").write_text(text, encoding="utf-8")


def _model(nodes: list[Any], weights: list[Any], width: int | str) -> bytes:
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width]) for name in (INPUT, OUTPUT)]
    graph = helper.make_graph(nodes, "small", tensors[:1], tensors[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()
