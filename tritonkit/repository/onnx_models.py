"""What an ONNX file says of itself, read as ONNX Runtime reads it but without its weights.

The weights inside the file are skipped and those beside it are not opened: a file of many gigabytes costs
what its graph costs.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from tritonkit.repository.onnx_bytes import without_weights
from tritonkit.spec.dtypes import BY_ONNX_CODE
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEFAULT_DOMAINS = ("", "ai.onnx")


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
    import onnx  # noqa: PLC0415 - 0.13 s, which a repository without ONNX models need not pay

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
    initializers = _initializer_names(graph)
    inputs = tuple(_tensor(value) for value in graph.input)
    return OnnxModel(
        path=path,
        ir_version=model.ir_version if model.HasField("ir_version") else None,
        opsets={_domain(entry.domain): entry.version for entry in model.opset_import},
        inputs=tuple(tensor for tensor in inputs if tensor.name not in initializers),
        # Before IR 4 every initializer had to be an input, so none of them is there to be overridden.
        overridable=tuple(tensor for tensor in inputs if tensor.name in initializers and model.ir_version >= 4),
        outputs=tuple(_merged(_tensor(value), inferred.get(value.name)) for value in graph.output),
        external_data=tuple(_external_data(graph.initializer)),
        broken=(
            *_broken(model, raw_sizes, inferred, has_custom_operators=has_custom_operators),
            *((contradiction,) if contradiction is not None else ()),
        ),
    )


def _domain(domain: str | bytes) -> str:
    return "" if domain in DEFAULT_DOMAINS else _text(domain)


def _initializer_names(graph: Any) -> set[str]:
    dense = (tensor.name for tensor in graph.initializer)
    return {*dense, *(tensor.values.name for tensor in graph.sparse_initializer)}


def _tensor(value: Any) -> OnnxTensor:
    kind = value.type.WhichOneof("value") or "undefined"
    tensor_type = value.type.tensor_type
    return OnnxTensor(
        name=_text(value.name),
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
    contradiction = None
    infer = onnx.shape_inference.infer_shapes
    try:
        inferred = infer(blank, check_type=_is_all_onnx(model), strict_mode=_is_all_onnx(model), data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError) as error:
        contradiction = " ".join(str(error).split()) if _is_all_onnx(model) else None
        try:
            inferred = infer(blank, data_prop=True)
        except (onnx.shape_inference.InferenceError, ValueError, RuntimeError):
            return {}, contradiction
    return {value.name: _tensor(value) for value in inferred.graph.output if _has_rank(value)}, contradiction


def _is_all_onnx(model: Any) -> bool:
    """Whether each operator is ONNX's own: of others onnx cannot infer, and what follows them would look wrong."""
    domains = {entry.domain for entry in (*model.opset_import, *model.graph.node)}
    return not model.functions and domains.issubset((*DEFAULT_DOMAINS, "ai.onnx.ml"))


def _text(name: str | bytes) -> str:
    """A name of the file: protobuf gives bytes where it is not UTF-8."""
    return name if isinstance(name, str) else name.decode(errors="replace")


def _has_rank(value: Any) -> bool:
    return _is_tensor(value) and bool(value.type.tensor_type.HasField("shape"))


def _is_tensor(value: Any) -> bool:
    return bool(value.type.WhichOneof("value") == "tensor_type")


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
        entries = {_text(entry.key): _text(entry.value) for entry in tensor.external_data}
        numbers = {key: entries.get(key) or None for key in ("offset", "length")}
        wrong = [key for key, text in numbers.items() if text is not None and not text.isdecimal()]
        if wrong:
            raise InputError(f"the {wrong[0]} of external data is no number", got=numbers[wrong[0]])
        yield ExternalData(
            tensor=_text(tensor.name),
            location=entries.get("location", ""),
            offset=int(numbers["offset"] or 0),
            length=None if numbers["length"] is None else int(numbers["length"]),
            size=_byte_size(tensor),
        )


def _byte_size(tensor: Any) -> int | None:
    data_type = BY_ONNX_CODE.get(tensor.data_type)
    return math.prod(tensor.dims) * data_type.size if data_type is not None and data_type.size else None


_UNSUPPORTED_TYPES = (14, 15)  # COMPLEX64, COMPLEX128

# Domains whose operators ONNX Runtime brings itself (its graph_constants.h).
_RUNTIME_DOMAINS = frozenset(
    {
        "ai.onnx.ml",
        "ai.onnx.training",
        "ai.onnx.preview.training",
        "com.microsoft",
        "com.microsoft.experimental",
        "com.microsoft.nchwc",
        "com.ms.internal.nhwc",
        "com.microsoft.dml",
        "org.pytorch.aten",
    }
)
# Operators that ONNX dropped and ONNX Runtime still registers in the default domain (its contrib_defs.cc).
_LEGACY_OPERATORS = frozenset(
    {
        "Affine",
        "Crop",
        "DynamicSlice",
        "GivenTensorFill",
        "GRUUnit",
        "ImageScaler",
        "MeanVarianceNormalization",
        "ParametricSoftplus",
        "Scale",
        "ScaledTanh",
        "Upsample",
        "ATen",
        "ConstantFill",
    }
)


def _broken(
    model: Any, raw_sizes: list[int], inferred: dict[str, OnnxTensor], *, has_custom_operators: bool
) -> Iterator[str]:
    """What ONNX Runtime refuses before it looks for kernels: names that lead nowhere, unknown operators, and so on."""
    if not model.HasField("ir_version"):
        yield "the file does not say its IR version"
    if not model.opset_import:
        yield "the file imports no opset"
    yield from _broken_names(model.graph)
    yield from _contradicted_types(model.graph, inferred)
    for value in model.graph.input:
        if value.type.WhichOneof("value") is None or (_is_tensor(value) and not value.type.tensor_type.elem_type):
            yield f"the graph's input {value.name!r} has no type"
    for value in (*model.graph.input, *model.graph.output):
        if value.type.tensor_type.elem_type in _UNSUPPORTED_TYPES:
            yield f"{value.name!r} is a tensor of complex numbers, which ONNX Runtime does not have"
    for tensor, raw_size in zip(model.graph.initializer, raw_sizes, strict=True):
        size = _byte_size(tensor)
        if raw_size and size is not None and raw_size != size:
            yield f"initializer {tensor.name!r} holds {raw_size} bytes where its shape and type need {size}"
    if not has_custom_operators:
        yield from _unknown_operators(model)


def _contradicted_types(graph: Any, inferred: dict[str, OnnxTensor]) -> Iterator[str]:
    for value in graph.output:
        declared, found = value.type.tensor_type.elem_type, inferred.get(value.name)
        if declared and found is not None and found.element_type not in (0, declared):
            yield f"the graph's output {value.name!r} is declared with another type than the node that writes it gives"


def _broken_names(graph: Any) -> Iterator[str]:
    inputs = [value.name for value in graph.input]
    yield from (f"the graph has two inputs {name!r}" for name in _repeated(inputs))
    written = [name for node in graph.node for name in node.output if name]
    yield from (f"two nodes of the graph write {name!r}" for name in _repeated(written))
    known = {*written, *inputs, *_initializer_names(graph)}
    for node in graph.node:
        missing = next((name for name in node.input if name and name not in known), None)
        if missing is not None:
            yield f"node {node.name or node.op_type!r} reads {missing!r}, which nothing in the graph writes"
    for value in graph.output:
        if value.name not in known:
            yield f"the graph's output {value.name!r} is written by no node"


def _repeated(names: list[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _unknown_operators(model: Any) -> Iterator[str]:
    import onnx  # noqa: PLC0415

    functions = {(_domain(function.domain), _text(function.name)) for function in model.functions}
    opsets = {_domain(entry.domain): entry.version for entry in model.opset_import}
    for domain, operator in sorted(
        {(_domain(node.domain), _text(node.op_type)) for node in model.graph.node} - functions
    ):
        if domain == "":
            newest = onnx.defs.onnx_opset_version()
            version = min(opsets.get("", newest), newest)
            if operator not in _LEGACY_OPERATORS and not onnx.defs.has(operator, version, ""):
                yield f"opset {version} has no operator {operator!r}"
        elif domain not in _RUNTIME_DOMAINS:
            yield f"operator {operator!r} is of the domain {domain!r}, which ONNX Runtime does not have"
