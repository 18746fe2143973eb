"""What a session takes and gives, in Triton's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ort_config import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

# ONNX Runtime's type strings. What is missing here (complex, FP8, 4-bit) no Triton tensor can carry.
TRITON_TYPES = {
    "tensor(bool)": "TYPE_BOOL",
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(uint16)": "TYPE_UINT16",
    "tensor(uint32)": "TYPE_UINT32",
    "tensor(uint64)": "TYPE_UINT64",
    "tensor(int8)": "TYPE_INT8",
    "tensor(int16)": "TYPE_INT16",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(float16)": "TYPE_FP16",
    "tensor(float)": "TYPE_FP32",
    "tensor(double)": "TYPE_FP64",
    "tensor(string)": "TYPE_STRING",
    "tensor(bfloat16)": "TYPE_BF16",
}
BF16_SINCE = (26, 3)


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor of the model.

    Attributes:
        name: its name.
        data_type: Triton's name of its type; TYPE_INVALID where Triton has none.
        dims: its whole shape, batch dimension included, -1 for every free dimension; () for a scalar.
    """

    name: str
    data_type: str
    dims: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Inputs, outputs and overridable initializers of a model, each by name."""

    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]
    initializers: dict[str, TensorInfo]


def read_signature(session: Any, target: tuple[int, int]) -> Signature:
    """The signature of an `onnxruntime.InferenceSession`.

    Raises:
        RefusedError: an input or output is no tensor but a sequence, a map or an optional.
    """
    return Signature(
        inputs=_infos(session.get_inputs(), target),
        outputs=_infos(session.get_outputs(), target),
        initializers=_infos(session.get_overridable_initializers(), target),
    )


def _infos(nodes: Iterable[Any], target: tuple[int, int]) -> dict[str, TensorInfo]:
    infos = {}
    for node in nodes:
        if not node.type.startswith("tensor("):
            raise RefusedError(f"unsupported ONNX type '{node.type}' for I/O '{node.name}', expected a tensor")
        data_type = TRITON_TYPES.get(node.type, "TYPE_INVALID")
        if data_type == "TYPE_BF16" and target < BF16_SINCE:
            data_type = "TYPE_INVALID"
        dims = tuple(dim if isinstance(dim, int) and dim >= 0 else -1 for dim in node.shape)
        infos[node.name] = TensorInfo(node.name, data_type, dims)
    return infos
