"""What an engine depends on in an ONNX file: its bytes, its inputs and outputs, the number formats inside."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from tritonkit.repository.digests import file_digest
from tritonkit.spec.errors import GateError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from builder.engines.records import Precision

# ONNX's number formats of weights, and of the zero points of quantised ones.
_FLOATS: dict[int, Precision] = {
    onnx.TensorProto.FLOAT: "fp32",
    onnx.TensorProto.DOUBLE: "fp32",
    onnx.TensorProto.FLOAT16: "fp16",
    onnx.TensorProto.BFLOAT16: "bf16",
}
_QUANTISED: dict[int, Precision] = {
    onnx.TensorProto.INT8: "int8",
    onnx.TensorProto.UINT8: "int8",
    onnx.TensorProto.FLOAT8E4M3FN: "fp8",
    onnx.TensorProto.INT4: "int4",
    onnx.TensorProto.FLOAT4E2M1: "fp4",
}
_QUANTISERS = ("QuantizeLinear", "DequantizeLinear")

_SIGNED = (
    "quantise symmetrically to signed bytes: onnxruntime.quantization with activation_type and weight_type QInt8, "
    "extra_options {'ActivationSymmetric': True, 'WeightSymmetric': True, 'QuantizeBias': False}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphInput:
    """An input of the graph.

    Attributes:
        name: its name.
        data_type: name of its `TensorProto.DataType`, such as FLOAT.
        dims: sizes; of a free dimension the symbol that the graph gives it, or `?`.
    """

    name: str
    data_type: str
    dims: tuple[int | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineGraph:
    """An ONNX file, as far as an engine depends on it.

    Attributes:
        path: the file.
        sha256: over the file and all the weights beside it.
        precision: the number format that its weights are held in, which strong typing makes the engine's.
        inputs: without initializers.
        outputs: data types by name, as in `GraphInput.data_type`.
        operators: operator by node name, to tell a reader what a node is.
    """

    path: Path
    sha256: str
    precision: Precision
    inputs: tuple[GraphInput, ...]
    outputs: dict[str, str]
    operators: dict[str, str]


def read_graph(path: Path) -> EngineGraph:
    """Reads the ONNX file `path`.

    Raises:
        InputError: it is no ONNX file, or weights that it names are missing.
        GateError: it is quantised in a way that TensorRT would serve with other numbers.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError) as error:
        raise InputError("this is not an ONNX model, or it is truncated", where=path, got=error) from None
    if not model.graph.node:
        raise InputError("this ONNX file holds no graph", where=path)
    _require_signed_quantisation(model.graph, path)
    initializers = {tensor.name for tensor in model.graph.initializer}
    return EngineGraph(
        path=path,
        sha256=_digest(path, model.graph),
        precision=_precision(model.graph),
        inputs=tuple(_input(value) for value in model.graph.input if value.name not in initializers),
        outputs={value.name: _type_name(value.type.tensor_type.elem_type) for value in model.graph.output},
        operators={node.name: node.op_type for node in model.graph.node if node.name},
    )


def _digest(path: Path, graph: Any) -> str:
    beside = sorted(
        {
            entry.value
            for tensor in graph.initializer
            if tensor.data_location == tensor.EXTERNAL
            for entry in tensor.external_data
            if entry.key == "location"
        }
    )
    if not beside:
        return file_digest(path)
    digest = hashlib.sha256(file_digest(path).encode())
    for location in beside:
        file = path.parent / location
        if not file.is_file():
            raise InputError("weights that the model names are not there", where=path, got=location)
        digest.update(f"\0{location}\0{file_digest(file)}".encode())
    return digest.hexdigest()


def _precision(graph: Any) -> Precision:
    """The format of the zero points if the graph is quantised, else the one that most weights are held in."""
    zero_points = {_QUANTISED[data_type] for _, data_type in _zero_points(graph) if data_type in _QUANTISED}
    if zero_points:
        return min(zero_points)
    held: Counter[Precision] = Counter()
    for tensor in graph.initializer:
        if tensor.data_type in _FLOATS:
            held[_FLOATS[tensor.data_type]] += int(np.prod(tensor.dims, dtype=np.int64))
    if held:
        return held.most_common(1)[0][0]
    types = [_FLOATS.get(value.type.tensor_type.elem_type) for value in graph.input]
    return next((precision for precision in types if precision is not None), "fp32")


def _zero_points(graph: Any) -> Iterator[tuple[Any, int]]:
    """(node, data type of its zero point); without a zero point ONNX says UINT8 of a QuantizeLinear."""
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    constants = (node for node in graph.node if node.op_type == "Constant")
    types |= {node.output[0]: item.t.data_type for node in constants for item in node.attribute if item.name == "value"}
    for node in graph.node:
        if node.op_type not in _QUANTISERS:
            continue
        named = node.input[2] if len(node.input) > 2 else ""
        if named in types:
            yield node, types[named]
        elif node.op_type == "QuantizeLinear" and not named:
            chosen = next((item.i for item in node.attribute if item.name == "output_dtype"), 0)
            yield node, chosen or onnx.TensorProto.UINT8


def _require_signed_quantisation(graph: Any, path: Path) -> None:
    """TensorRT's parser warns of unsigned bytes and reads them as signed ones: 0..255 becomes -128..127."""
    for node, data_type in _zero_points(graph):
        if data_type in {onnx.TensorProto.UINT8, onnx.TensorProto.INT32}:
            raise GateError(
                f"node {node.name or node.output[0]} ({node.op_type}) is quantised as TensorRT is not",
                where=path,
                got=_type_name(data_type),
                expected="INT8, FP8 or INT4, and biases left as they are",
                hint=_SIGNED,
            )


def _input(value: Any) -> GraphInput:
    tensor = value.type.tensor_type
    dims = tuple(dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?" for dim in tensor.shape.dim)
    return GraphInput(name=value.name, data_type=_type_name(tensor.elem_type), dims=dims)


def _type_name(data_type: int) -> str:
    return str(onnx.TensorProto.DataType.Name(data_type))
