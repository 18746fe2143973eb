"""FP16 and BF16: every operator that takes the format, but those whose values it cannot hold.

Which tensors of an operator may be narrow is read from the ONNX schema of the graph's own opset, so nothing is guessed:
a Resize keeps its scales in FP32, a Conv is narrow in BF16 from opset 22 on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import ml_dtypes
import numpy as np
import onnx
from onnx import helper, numpy_helper


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A floating-point format of 16 bits.

    Attributes:
        name: as in a variant's `precision`.
        onnx: its number in ONNX.
        schema: its name in an operator's schema.
        numpy: its numpy type.
        largest: the largest finite value.
    """

    name: str
    onnx: int
    schema: str
    numpy: np.dtype
    largest: float


FORMATS = {
    "fp16": Format(
        name="fp16",
        onnx=onnx.TensorProto.FLOAT16,
        schema="tensor(float16)",
        numpy=np.dtype(np.float16),
        largest=65504.0,
    ),
    "bf16": Format(
        name="bf16",
        onnx=onnx.TensorProto.BFLOAT16,
        schema="tensor(bfloat16)",
        numpy=np.dtype(ml_dtypes.bfloat16),
        largest=3.3895313892515355e38,
    ),
}

# Their output's type comes from an attribute or from nothing else in the graph; narrowing them gains nothing.
_TYPED_BY_ATTRIBUTE = frozenset(
    {"Cast", "Constant", "ConstantOfShape", "EyeLike", "RandomNormal", "RandomUniform", "QuantizeLinear",
     "DequantizeLinear", "DynamicQuantizeLinear"}
)  # fmt: skip


@dataclass(slots=True)
class _Narrowing:
    """The graph as it is being written: where each tensor is to be had in which width."""

    form: Format
    floats: frozenset[str]
    weights: dict[str, onnx.TensorProto]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    narrow: dict[str, str] = field(default_factory=dict)
    wide: dict[str, str] = field(default_factory=dict)
    new_weights: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def narrowed(self, name: str) -> str:
        """The name of the tensor in the narrow format."""
        if name not in self.narrow:
            self.narrow[name] = f"{name}_{self.form.name}"
            if name in self.weights:
                array = numpy_helper.to_array(self.weights[name]).astype(self.form.numpy)
                self.new_weights[name] = numpy_helper.from_array(array, self.narrow[name])
            else:
                self.nodes.append(_cast(self.wide.get(name, name), self.narrow[name], self.form.onnx))
        return self.narrow[name]

    def widened(self, name: str) -> str:
        """The name of the tensor in FP32."""
        if name in self.narrow and name not in self.wide and name not in self.weights:
            self.wide[name] = f"{name}_fp32"
            self.nodes.append(_cast(self.narrow[name], self.wide[name], onnx.TensorProto.FLOAT))
        return self.wide.get(name, name)


def to_half(model: onnx.ModelProto, form: Format, floats: frozenset[str], keep: frozenset[str]) -> onnx.ModelProto:
    """Narrows every node that takes `form` and is not among `keep`; inputs and outputs of the graph stay FP32.

    Args:
        model: an FP32 graph, its nodes in topological order and named.
        form: the format.
        floats: the graph's FP32 tensors (`value_ranges.float_tensors`).
        keep: names of the nodes that stay in FP32.
    """
    graph = model.graph
    weights = {w.name: w for w in graph.initializer if w.data_type == onnx.TensorProto.FLOAT}
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    outputs = {value.name for value in graph.output}
    captured = _read_by_bodies(model)
    work = _Narrowing(form=form, floats=floats | frozenset(weights), weights=weights)
    # A graph input is FP32 from the start; of what a node writes, the node decides.
    work.wide = {value.name: value.name for value in graph.input}
    for node in graph.node:
        stays = node.name in keep or not captured.isdisjoint(node.output)
        kinds = () if stays else _narrow_kinds(node, opsets, work)
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        if not kinds:
            copy.input[:] = [work.widened(name) if name in work.floats else name for name in node.input]
            work.wide |= {name: name for name in node.output if name in work.floats}
            work.nodes.append(copy)
            continue
        takes, gives = kinds
        copy.input[:] = [
            (work.narrowed(name) if take else work.widened(name)) if name in work.floats else name
            for name, take in zip(node.input, takes, strict=True)
        ]
        for i, (name, give) in enumerate(zip(node.output, gives, strict=True)):
            if give:
                work.narrow[name] = copy.output[i] = f"{name}_{form.name}" if name in outputs else name
        work.nodes.append(copy)
        for name, give in zip(node.output, gives, strict=True):
            if give and name in outputs:
                work.nodes.append(_cast(work.narrow[name], name, onnx.TensorProto.FLOAT))
                work.wide[name] = name
    return _rebuilt(model, work)


def _narrow_kinds(
    node: onnx.NodeProto, opsets: dict[str, int], work: _Narrowing
) -> tuple[tuple[bool, ...], tuple[bool, ...]] | tuple[()]:
    """Which inputs and which outputs of `node` can be narrow; nothing if none can."""
    if node.op_type in _TYPED_BY_ATTRIBUTE or any(a.HasField("g") or a.graphs for a in node.attribute):
        return ()
    try:
        schema = onnx.defs.get_schema(node.op_type, opsets[node.domain], node.domain)
    except onnx.defs.SchemaError:
        return ()
    allowed = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}

    def fits(names: list[str], formals: list[onnx.defs.OpSchema.FormalParameter]) -> tuple[bool, ...]:
        # The last formal parameter of a variadic operator stands for all that follow.
        types = [formals[min(i, len(formals) - 1)].type_str for i in range(len(names))]
        return tuple(
            n in work.floats and work.form.schema in allowed.get(t, ()) for n, t in zip(names, types, strict=True)
        )

    takes, gives = fits(list(node.input), list(schema.inputs)), fits(list(node.output), list(schema.outputs))
    return (takes, gives) if any(takes) and any(gives) else ()


def _read_by_bodies(model: onnx.ModelProto) -> frozenset[str]:
    """What loops' and branches' bodies read from outside: it must be there under its own name, in FP32."""
    bodies = [body for node in model.graph.node for a in node.attribute for body in (a.g, *a.graphs)]
    return frozenset(name for body in bodies for inner in body.node for name in inner.input)


def _cast(source: str, target: str, to: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"{target}_cast", to=to)


def _rebuilt(model: onnx.ModelProto, work: _Narrowing) -> onnx.ModelProto:
    made = onnx.ModelProto()
    made.CopyFrom(model)
    used = {name for node in work.nodes for name in node.input} | {value.name for value in model.graph.output}
    kept = [w for w in model.graph.initializer if w.name in used | _read_by_bodies(model)]
    del made.graph.node[:], made.graph.initializer[:], made.graph.value_info[:]
    made.graph.node.extend(work.nodes)
    made.graph.initializer.extend([*kept, *work.new_weights.values()])
    onnx.checker.check_model(made)
    return made
