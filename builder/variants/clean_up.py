"""Graph clean-up: constants folded, what does nothing removed, repeated subexpressions made one.

By onnxslim, not by ONNX Runtime's offline optimiser. The latter writes what one version of it runs fastest on one
machine: from its second level on, fused operators of its own domain, which TensorRT's parser refuses, and at its
third, weights laid out for the instruction set of the machine that built them. Its first level only is portable, and
the server applies that anyway while it loads. onnxslim stays within the ONNX operators of the graph's own opset.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx
import onnxslim

from tritonkit.spec.errors import KitError


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanUp:
    """What a clean-up did.

    Attributes:
        model: the graph after it.
        nodes_before: operators before it.
        nodes_after: operators after it.
    """

    model: onnx.ModelProto
    nodes_before: int
    nodes_after: int


def clean_up(model: onnx.ModelProto) -> CleanUp:
    """Cleans `model` up; inputs, outputs, opset and IR version stay what they were.

    Raises:
        KitError: they did not, or an operator of another domain came in.
    """
    cleaned = onnxslim.slim(onnx.ModelProto.FromString(model.SerializeToString()))
    cleaned.ir_version = model.ir_version
    before, after = _surface(model), _surface(cleaned)
    changed = [key for key in before if before[key] != after[key]]
    new_domains = {node.domain for node in cleaned.graph.node} - {node.domain for node in model.graph.node}
    if changed or new_domains:
        raise KitError(
            "the clean-up changed what the graph is from outside",
            got=", ".join(changed) or f"operators of {', '.join(sorted(new_domains))}",
            hint="set `optimise: false` for this variant",
        )
    return CleanUp(model=cleaned, nodes_before=len(model.graph.node), nodes_after=len(cleaned.graph.node))


def _surface(model: onnx.ModelProto) -> dict[str, object]:
    return {
        "opset": {entry.domain: entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")},
        "inputs": [_tensor(value) for value in model.graph.input],
        "outputs": [_tensor(value) for value in model.graph.output],
    }


def _tensor(value: onnx.ValueInfoProto) -> tuple[object, ...]:
    tensor = value.type.tensor_type
    # A free dimension may be called otherwise: only that it is free counts.
    return (value.name, tensor.elem_type, tuple(dim.dim_value or None for dim in tensor.shape.dim))
