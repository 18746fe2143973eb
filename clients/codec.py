"""numpy arrays <-> the bytes of Triton's wire format. No I/O.

A tensor's bytes are its elements in row-major order, little-endian. An element of BYTES is its length
as an unsigned 32-bit little-endian integer, followed by that many bytes
(docs/protocol/extension_binary_data.md of triton-inference-server/server).
"""

from __future__ import annotations

import functools
import math
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Content = bytes | memoryview
"""A tensor's bytes on the wire."""

# BF16 is missing here: numpy has no such type, and ml_dtypes, which has, is imported when one is met.
_NUMPY: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(np.object_),
}
_WIRE: dict[np.dtype[Any], str] = {dtype: name for name, dtype in _NUMPY.items()}

# Bytes below which a copy costs less than a view.
_COPIED_BELOW = 4096

_LENGTH = struct.Struct("<I")


@functools.cache
def _bfloat16() -> np.dtype[Any]:
    import ml_dtypes  # noqa: PLC0415 - only models with BF16 tensors need it

    dtype: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return dtype


def numpy_dtype(datatype: str) -> np.dtype[Any]:
    """The numpy type of the elements of `datatype`; `object` (of `bytes`) for BYTES, ml_dtypes' for BF16.

    Raises:
        KeyError: Triton has no such data type.
    """
    return _bfloat16() if datatype == "BF16" else _NUMPY[datatype]


def datatype_of(dtype: np.dtype[Any]) -> str | None:
    """Triton's name of a numpy type; None if Triton has none."""
    name = _WIRE.get(dtype)
    if name is not None:
        return name
    if dtype.kind in "SU":
        return "BYTES"
    return "BF16" if dtype.name == "bfloat16" else None


def encode(array: NDArray[Any], datatype: str) -> Content:
    """The wire bytes of `array`.

    Args:
        array: any shape and memory order; its type is the numpy type of `datatype`. For BYTES an array of
            `bytes` and `str` objects (`str` is sent as UTF-8), or of numpy's fixed-width "S" or "U".
        datatype: Triton's name.

    Returns:
        For a large array a view of its own memory, so it must not change until it is sent.

    Raises:
        TypeError: an element of a BYTES array is neither `bytes` nor `str`.
    """
    if datatype == "BYTES":
        return _encode_strings(array)
    if array.nbytes < _COPIED_BELOW:
        return array.tobytes()
    # numpy shows no buffer of the types that ml_dtypes adds, whose kind is "V".
    if array.flags.c_contiguous and array.dtype.kind != "V":
        return array.data.cast("B")
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _encode_strings(array: NDArray[Any]) -> bytes:
    parts: list[bytes] = []
    for element in array.reshape(-1).tolist():
        if isinstance(element, bytes):
            data = element
        elif isinstance(element, str):
            data = element.encode()
        else:
            raise TypeError(f"an element of a BYTES tensor is bytes or str, not {type(element).__name__}")
        parts.append(_LENGTH.pack(len(data)))
        parts.append(data)
    return b"".join(parts)


def decode(content: Content, datatype: str, shape: Sequence[int]) -> NDArray[Any]:
    """The array whose wire bytes are `content`.

    Returns:
        An array of `shape`; numbers are a read-only view of `content`, BYTES are `bytes` objects.

    Raises:
        ValueError: the bytes do not fill the shape exactly, or the data type is unknown.
    """
    if datatype == "BYTES":
        strings = _decode_strings(content)
        if len(strings) != math.prod(shape):
            raise ValueError(f"{len(strings)} strings do not fill the shape {list(shape)}")
        array = np.empty(len(strings), dtype=np.object_)
        array[:] = strings
        return array.reshape(shape)
    dtype = _NUMPY.get(datatype)
    if dtype is None:
        if datatype != "BF16":
            raise ValueError(f"unknown data type {datatype!r}")
        dtype = _bfloat16()
    # numpy 1.26 refuses to read an empty buffer.
    flat = np.frombuffer(content, dtype) if len(content) else np.empty(0, dtype)
    return flat.reshape(shape)


def _decode_strings(content: Content) -> list[bytes]:
    strings: list[bytes] = []
    offset, end = 0, len(content)
    while offset < end:
        start = offset + _LENGTH.size
        if start > end:
            raise ValueError("a string's length is cut off")
        offset = start + _LENGTH.unpack_from(content, offset)[0]
        if offset > end:
            raise ValueError("a string is cut off")
        strings.append(bytes(content[start:offset]))
    return strings
