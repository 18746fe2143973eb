"""What an ONNX file says of itself, read as ONNX Runtime reads it but without its weights.

The weights inside the file are skipped and those beside it are not opened: a file of many gigabytes costs
what its graph costs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from tritonkit.repository.onnx_bytes import without_weights
from tritonkit.repository.onnx_graph import (
    broken,
    byte_size,
    domain_of,
    initializer_names,
    is_inferable,
    is_tensor,
    text_of,
)
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxTensor:
    """An input or output of the graph.

    Attributes:
        name: its name.
        kind: `tensor`, or what it is instead (`sequence`, `optional`, `map`, `sparse_tensor`), which Triton refuses.
        element_type: the number of its `TensorProto.DataType`.
        dims: its shape, -1 where symbolic; empty for a scalar, and for a tensor whose rank nobody says: Triton cannot
            tell the two apart.
        has_rank: whether the rank is known.
    """

    name: str
    kind: str
    element_type: int
    dims: tuple[int, ...]
    has_rank: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalData:
    """Weights that lie beside the file.

    Attributes:
        tensor: the initializer.
        location: their file, relative to the ONNX file's folder.
        offset: where they begin in it, in bytes.
        length: how many bytes the file says they are; `None` if it does not.
        size: how many bytes the tensor's shape and type need; `None` for types that are packed or of no fixed size.
    """

    tensor: str
    location: str
    offset: int
    length: int | None
    size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxModel:
    """What Triton and ONNX Runtime look at before they run anything.

    Attributes:
        path: the file.
        ir_version: of the file format; `None` if the file does not say.
        opsets: version by domain; the default domain is the empty string.
        inputs: without initializers, as ONNX Runtime counts inputs.
        overridable: initializers that are inputs too, which a request may override.
        outputs: with shapes as ONNX Runtime will infer them.
        external_data: weights beside the file.
        broken: why ONNX Runtime will not build a session, if that can be seen from the graph; one line each.
    """

    path: Path
    ir_version: int | None
    opsets: dict[str, int]
    inputs: tuple[OnnxTensor, ...]
    overridable: tuple[OnnxTensor, ...]
    outputs: tuple[OnnxTensor, ...]
    external_data: tuple[ExternalData, ...]
    broken: tuple[str, ...] = field(default=())


def read_onnx_model(path: Path, *, has_custom_operators: bool = False) -> OnnxModel:
    """Reads `path`.

    Args:
        path: an ONNX file.
        has_custom_operators: a library of operators will be loaded, so that unknown operators are no fault.

    Raises:
        InputError: the file is unreadable, empty, truncated or not an ONNX model.
    """
    import onnx  # noqa: PLC0415

    model = onnx.ModelProto()
    try:
        slim, raw_sizes = without_weights(path)
        model.ParseFromString(slim)
    except (DecodeError, ValueError, OSError) as error:
        raise InputError("this is not an ONNX model, or it is truncated", where=path, got=error) from error
    if not model.HasField("graph"):
        raise InputError("this ONNX file holds no graph", where=path, expected="a ModelProto with a graph")

    graph = model.graph
    inferred, contradiction = _inferred_outputs(model)
    inferred_types = {name: tensor.element_type for name, tensor in inferred.items()}
    initializers = initializer_names(graph)
    inputs = tuple(_tensor(value) for value in graph.input)
    return OnnxModel(
        path=path,
        ir_version=model.ir_version if model.HasField("ir_version") else None,
        opsets={domain_of(entry.domain): entry.version for entry in model.opset_import},
        inputs=tuple(tensor for tensor in inputs if tensor.name not in initializers),
        # Before IR 4 every initializer had to be an input, so none of them is there to be overridden.
        overridable=tuple(tensor for tensor in inputs if tensor.name in initializers and model.ir_version >= 4),
        outputs=tuple(_merged(_tensor(value), inferred.get(value.name)) for value in graph.output),
        external_data=tuple(_external_data(graph.initializer)),
        broken=(
            *broken(model, raw_sizes, inferred_types, has_custom_operators=has_custom_operators),
            *((contradiction,) if contradiction is not None else ()),
        ),
    )


def _tensor(value: Any) -> OnnxTensor:
    kind = value.type.WhichOneof("value") or "undefined"
    tensor_type = value.type.tensor_type
    return OnnxTensor(
        name=text_of(value.name),
        kind=kind.removesuffix("_type"),
        element_type=tensor_type.elem_type,
        dims=tuple(
            dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else -1 for dim in tensor_type.shape.dim
        ),
        has_rank=tensor_type.HasField("shape"),
    )


def _inferred_outputs(model: Any) -> tuple[dict[str, OnnxTensor], str | None]:
    """What inference says of the outputs without what the file says of them, and why the graph contradicts itself."""
    import onnx  # noqa: PLC0415

    blank = onnx.ModelProto()
    blank.CopyFrom(model)
    for value in blank.graph.output:
        value.ClearField("type")
    strict = is_inferable(model)
    contradiction = None
    infer = onnx.shape_inference.infer_shapes
    try:
        inferred = infer(blank, check_type=strict, strict_mode=strict, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError) as error:
        contradiction = " ".join(str(error).split()) if strict else None
        try:
            inferred = infer(blank, data_prop=True)
        except (onnx.shape_inference.InferenceError, ValueError, RuntimeError):
            return {}, contradiction
    return {value.name: _tensor(value) for value in inferred.graph.output if _has_rank(value)}, contradiction


def _has_rank(value: Any) -> bool:
    return is_tensor(value) and bool(value.type.tensor_type.HasField("shape"))


def _merged(declared: OnnxTensor, inferred: OnnxTensor | None) -> OnnxTensor:
    """As ONNX Runtime merges (graph.cc `MergeShapeInfo`): what contradicts is dropped, dimension or whole shape."""
    if inferred is None or inferred.dims == declared.dims or declared.kind != "tensor":
        return declared
    if not declared.has_rank:
        return replace(declared, dims=inferred.dims, has_rank=True)
    if len(declared.dims) != len(inferred.dims):
        return replace(declared, dims=(), has_rank=False)
    return replace(declared, dims=tuple(map(_merged_dim, declared.dims, inferred.dims)))


def _merged_dim(declared: int, inferred: int) -> int:
    if -1 in (declared, inferred):
        return max(declared, inferred)
    return declared if declared == inferred else -1


def _external_data(initializers: Any) -> Iterator[ExternalData]:
    for tensor in initializers:
        if tensor.data_location != tensor.EXTERNAL:
            continue
        entries = {text_of(entry.key): text_of(entry.value) for entry in tensor.external_data}
        numbers = {key: entries.get(key) or None for key in ("offset", "length")}
        wrong = [key for key, text in numbers.items() if text is not None and not text.isdecimal()]
        if wrong:
            raise InputError(f"the {wrong[0]} of external data is no number", got=numbers[wrong[0]])
        yield ExternalData(
            tensor=text_of(tensor.name),
            location=entries.get("location", ""),
            offset=int(numbers["offset"] or 0),
            length=None if numbers["length"] is None else int(numbers["length"]),
            size=byte_size(tensor),
        )
