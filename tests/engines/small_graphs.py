"""Small ONNX graphs that engines are built of, or that TensorRT refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = ("batch", 3, 8, 8)


def value(name, dims=IMAGE, data_type=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, data_type, dims)


def write(path: Path, nodes, *, inputs=None, outputs=None, initializers=(), domains=()) -> Path:
    graph = helper.make_graph(nodes, "graph", inputs or [value("image")], outputs or [value("y")], list(initializers))
    opsets = [helper.make_opsetid("", 20), *(helper.make_opsetid(domain, 1) for domain in domains)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def conv(path: Path, *, seed: int = 0, dims=IMAGE) -> Path:
    """A convolution: image (batch, 3, 8, 8) -> y of the same shape."""
    weights = np.random.default_rng(seed).normal(size=(3, 3, 3, 3)).astype(np.float32)
    node = helper.make_node("Conv", ["image", "w"], ["y"], name="convolution", pads=[1, 1, 1, 1])
    tensors = {"inputs": [value("image", dims)], "outputs": [value("y", dims)]}
    return write(path, [node], **tensors, initializers=[numpy_helper.from_array(weights, "w")])


def relu(path: Path, *, dims=IMAGE, data_type=TensorProto.FLOAT) -> Path:
    tensors = {"inputs": [value("image", dims, data_type)], "outputs": [value("y", dims, data_type)]}
    return write(path, [helper.make_node("Relu", ["image"], ["y"], name="activation")], **tensors)


def quantised(path: Path, zero_point: np.ndarray) -> Path:
    """A quantiser and its inverse around nothing."""
    initializers = [
        numpy_helper.from_array(np.array(0.1, np.float32), "scale"),
        numpy_helper.from_array(zero_point, "zero"),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["q"], name="quantise"),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"], name="dequantise"),
    ]
    return write(path, nodes, initializers=initializers)
