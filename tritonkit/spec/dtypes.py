"""One table of tensor data types, by the name that each part of the field gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TritonType = Literal[
    "TYPE_BOOL",
    "TYPE_UINT8",
    "TYPE_UINT16",
    "TYPE_UINT32",
    "TYPE_UINT64",
    "TYPE_INT8",
    "TYPE_INT16",
    "TYPE_INT32",
    "TYPE_INT64",
    "TYPE_FP16",
    "TYPE_FP32",
    "TYPE_FP64",
    "TYPE_STRING",
    "TYPE_BF16",
]


@dataclass(frozen=True, slots=True)
class DataType:
    """One data type.

    Attributes:
        triton: the name in `config.pbtxt`.
        kserve: the name on the wire (Open Inference Protocol).
        onnx: the name of the `TensorProto.DataType` member.
        onnx_code: its number.
        numpy: the numpy dtype name; `None` for BF16, which numpy lacks.
        torch: the attribute of the torch module; `None` where torch has no such tensor.
        size: bytes of one element; 0 for strings, whose length varies.
        onnxruntime_since: the first NGC release whose ONNX Runtime backend takes it; `None` if all of them do.
    """

    triton: TritonType
    kserve: str
    onnx: str
    onnx_code: int
    numpy: str | None
    torch: str | None
    size: int
    onnxruntime_since: str | None = None


# Sources: the `DataType` enum of Triton's model_config.proto, the Open Inference Protocol's tensor data
# types, and `TensorProto.DataType` of onnx.proto.
DATA_TYPES: tuple[DataType, ...] = (
    DataType("TYPE_BOOL", "BOOL", "BOOL", 9, "bool", "bool", 1),
    DataType("TYPE_UINT8", "UINT8", "UINT8", 2, "uint8", "uint8", 1),
    DataType("TYPE_UINT16", "UINT16", "UINT16", 4, "uint16", "uint16", 2),
    DataType("TYPE_UINT32", "UINT32", "UINT32", 12, "uint32", "uint32", 4),
    DataType("TYPE_UINT64", "UINT64", "UINT64", 13, "uint64", "uint64", 8),
    DataType("TYPE_INT8", "INT8", "INT8", 3, "int8", "int8", 1),
    DataType("TYPE_INT16", "INT16", "INT16", 5, "int16", "int16", 2),
    DataType("TYPE_INT32", "INT32", "INT32", 6, "int32", "int32", 4),
    DataType("TYPE_INT64", "INT64", "INT64", 7, "int64", "int64", 8),
    DataType("TYPE_FP16", "FP16", "FLOAT16", 10, "float16", "float16", 2),
    DataType("TYPE_FP32", "FP32", "FLOAT", 1, "float32", "float32", 4),
    DataType("TYPE_FP64", "FP64", "DOUBLE", 11, "float64", "float64", 8),
    DataType("TYPE_STRING", "BYTES", "STRING", 8, "object", None, 0),
    DataType("TYPE_BF16", "BF16", "BFLOAT16", 16, None, "bfloat16", 2, "26.03"),
)

BY_TRITON: dict[str, DataType] = {t.triton: t for t in DATA_TYPES}
BY_KSERVE: dict[str, DataType] = {t.kserve: t for t in DATA_TYPES}
BY_ONNX_CODE: dict[int, DataType] = {t.onnx_code: t for t in DATA_TYPES}
BY_NUMPY: dict[str, DataType] = {t.numpy: t for t in DATA_TYPES if t.numpy is not None}
BY_TORCH: dict[str, DataType] = {t.torch: t for t in DATA_TYPES if t.torch is not None}
