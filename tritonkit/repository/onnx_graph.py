"""The graph of an ONNX model: its names and operators, and what ONNX Runtime refuses before it looks for kernels."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from tritonkit.spec.dtypes import BY_ONNX_CODE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT_DOMAINS = ("", "ai.onnx")
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


def domain_of(domain: str | bytes) -> str:
    """A domain of operators; the default one has two names and is the empty string here."""
    return "" if domain in DEFAULT_DOMAINS else text_of(domain)


def initializer_names(graph: Any) -> set[str]:
    """The names of the tensors whose values the file holds."""
    dense = (tensor.name for tensor in graph.initializer)
    return {*dense, *(tensor.values.name for tensor in graph.sparse_initializer)}


def text_of(name: str | bytes) -> str:
    """A name of the file: protobuf gives bytes where it is not UTF-8."""
    return name if isinstance(name, str) else name.decode(errors="replace")


def is_tensor(value: Any) -> bool:
    """Whether an input or output is a dense tensor, of whatever type and shape."""
    return bool(value.type.WhichOneof("value") == "tensor_type")


def byte_size(tensor: Any) -> int | None:
    """The bytes that an initializer's shape and type need; `None` for types that are packed or of no fixed size."""
    data_type = BY_ONNX_CODE.get(tensor.data_type)
    return math.prod(tensor.dims) * data_type.size if data_type is not None and data_type.size else None


def is_inferable(model: Any) -> bool:
    """Whether inference that fails shows a fault of the graph.

    Of others' operators onnx cannot infer, and what follows them would look wrong; and it takes the nodes in the order
    of the file, which ONNX Runtime sorts.
    """
    domains = {entry.domain for entry in (*model.opset_import, *model.graph.node)}
    if model.functions or not domains.issubset((*DEFAULT_DOMAINS, "ai.onnx.ml")):
        return False
    known = {"", *initializer_names(model.graph), *(value.name for value in model.graph.input)}
    for node in model.graph.node:
        if not known.issuperset(node.input):
            return False
        known.update(node.output)
    return True


def broken(
    model: Any, raw_sizes: list[int], inferred_types: Mapping[str, int], *, has_custom_operators: bool
) -> Iterator[str]:
    """What ONNX Runtime refuses before it looks for kernels: names that lead nowhere, unknown operators, and so on."""
    if not model.HasField("ir_version"):
        yield "the file does not say its IR version"
    if not model.opset_import:
        yield "the file imports no opset"
    yield from _broken_names(model.graph)
    yield from _contradicted_types(model.graph, inferred_types)
    for value in (*model.graph.input, *(value for value in model.graph.output if value.HasField("type"))):
        if value.type.WhichOneof("value") is None or (is_tensor(value) and not value.type.tensor_type.elem_type):
            yield f"{value.name!r} has no type"
    for value in (*model.graph.input, *model.graph.output):
        if value.type.tensor_type.elem_type in _UNSUPPORTED_TYPES:
            yield f"{value.name!r} is a tensor of complex numbers, which ONNX Runtime does not have"
    for tensor, raw_size in zip(model.graph.initializer, raw_sizes, strict=True):
        size = byte_size(tensor)
        if raw_size and size is not None and raw_size != size:
            yield f"initializer {tensor.name!r} holds {raw_size} bytes where its shape and type need {size}"
    if not has_custom_operators:
        yield from _unknown_operators(model)


def _contradicted_types(graph: Any, inferred_types: Mapping[str, int]) -> Iterator[str]:
    for value in graph.output:
        declared = value.type.tensor_type.elem_type
        if declared and inferred_types.get(value.name, 0) not in (0, declared):
            yield f"the graph's output {value.name!r} is declared with another type than the node that writes it gives"


def _broken_names(graph: Any) -> Iterator[str]:
    inputs = [value.name for value in graph.input]
    yield from (f"the graph has two inputs {name!r}" for name in _repeated(inputs))
    written = [name for node in graph.node for name in node.output if name]
    yield from (f"two nodes of the graph write {name!r}" for name in _repeated(written))
    known = {*written, *inputs, *initializer_names(graph)}
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

    functions = {(domain_of(function.domain), text_of(function.name)) for function in model.functions}
    opsets = {domain_of(entry.domain): entry.version for entry in model.opset_import}
    yield from _unknown_attributes(model, opsets.get("", 0))
    for domain, operator in sorted(
        {(domain_of(node.domain), text_of(node.op_type)) for node in model.graph.node} - functions
    ):
        if domain == "":
            newest = onnx.defs.onnx_opset_version()
            version = min(opsets.get("", newest), newest)
            if operator not in _LEGACY_OPERATORS and not onnx.defs.has(operator, version, ""):
                yield f"opset {version} has no operator {operator!r}"
        elif domain not in _RUNTIME_DOMAINS:
            yield f"operator {operator!r} is of the domain {domain!r}, which ONNX Runtime does not have"


def _unknown_attributes(model: Any, opset: int) -> Iterator[str]:
    import onnx  # noqa: PLC0415

    for node in model.graph.node:
        domain, operator = domain_of(node.domain), text_of(node.op_type)
        if domain != "" or not onnx.defs.has(operator, opset, ""):
            continue
        attributes = onnx.defs.get_schema(operator, opset, "").attributes
        for attribute in node.attribute:
            if text_of(attribute.name) not in attributes:
                yield f"operator {operator!r} has no attribute {text_of(attribute.name)!r}"
