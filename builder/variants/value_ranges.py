"""Which values a graph's tensors take on real samples, and which nodes a narrower format would overflow in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ROWS_AT_ONCE = 8

# Their kernels square what comes in before they add it up, so they overflow at the square root of the format's limit.
_SQUARE_INSIDE = frozenset(
    {"LayerNormalization", "RMSNormalization", "InstanceNormalization", "GroupNormalization", "LpNormalization",
     "ReduceL2", "ReduceSumSquare"}
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Overflow:
    """A node that a narrower format cannot hold.

    Attributes:
        node: its name.
        operator: what it does.
        tensor: the tensor that is too large: an output, an input or a weight.
        largest: the largest magnitude seen; of the square inside, where the operator squares.
    """

    node: str
    operator: str
    tensor: str
    largest: float


def float_tensors(model: onnx.ModelProto) -> frozenset[str]:
    """Names of all FP32 tensors that flow through the top level of the graph, without weights."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    known = (*inferred.input, *inferred.value_info, *inferred.output)
    return frozenset(value.name for value in known if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT)


def largest_magnitudes(model: onnx.ModelProto, samples: Iterable[Mapping[str, np.ndarray]]) -> dict[str, float]:
    """The largest |value| of each FP32 tensor of the graph and of each FP32 weight.

    Args:
        model: an FP32 graph.
        samples: batches by input name; first axes count rows. Real ones: random numbers say nothing about ranges.

    Returns:
        By tensor name. A tensor in which a NaN or an infinity was seen has an infinite magnitude.
    """
    names = sorted(float_tensors(model))
    probe = onnx.ModelProto.FromString(model.SerializeToString())
    inputs = {value.name for value in model.graph.input}
    shown = {value.name for value in model.graph.output}
    probe.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        for name in names
        if name not in inputs | shown
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    asked = [name for name in names if name not in inputs]
    largest = dict.fromkeys(names, 0.0) | {
        weight.name: _largest(numpy_helper.to_array(weight))
        for weight in model.graph.initializer
        if weight.data_type == onnx.TensorProto.FLOAT
    }
    for batch in samples:
        rows = len(next(iter(batch.values())))
        for start in range(0, rows, _ROWS_AT_ONCE):
            feed = {name: array[start : start + _ROWS_AT_ONCE] for name, array in batch.items()}
            for name, array in (*zip(asked, session.run(asked, feed), strict=True), *feed.items()):
                if name in largest:
                    largest[name] = max(largest[name], _largest(array))
    return largest


def find_overflows(model: onnx.ModelProto, largest: Mapping[str, float], limit: float) -> tuple[Overflow, ...]:
    """The nodes whose inputs, outputs, weights or inner squares exceed `limit`, in the order of the graph."""
    found = []
    for node in model.graph.node:
        magnitudes = {name: largest[name] for name in (*node.output, *node.input) if name in largest}
        if node.op_type in _SQUARE_INSIDE and node.input[0] in magnitudes:
            magnitudes[node.input[0]] = max(magnitudes[node.input[0]], magnitudes[node.input[0]] ** 2)
        if not magnitudes:
            continue
        tensor = max(magnitudes, key=lambda name: magnitudes[name])
        if magnitudes[tensor] > limit:
            found.append(Overflow(node=node.name, operator=node.op_type, tensor=tensor, largest=magnitudes[tensor]))
    return tuple(found)


def _largest(array: np.ndarray) -> float:
    if array.size == 0:
        return 0.0
    value = float(np.abs(array).max())
    return value if np.isfinite(value) else float("inf")
