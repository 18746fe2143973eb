"""The bytes of an ONNX file without its weights: a walk over protobuf's wire format that skips them unread."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Field numbers of onnx.proto, for the walk over the bytes.
_MODEL_GRAPH = 7
_GRAPH_INITIALIZER = 5
_TENSOR_RAW_DATA = 9
# Shape inference reads small constants (the target of a Reshape); anything longer is weights.
_SMALL_CONSTANT = 4096


def without_weights(path: Path) -> tuple[bytes, list[int]]:
    """The bytes of a ModelProto like the one in `path`, large `raw_data` left out, and each initializer's size of it.

    Raises:
        ValueError: the bytes are not protobuf, or end before what they announce.
    """
    if path.stat().st_size == 0:
        raise ValueError("the file is empty")
    parts: list[bytes] = []
    raw_sizes: list[int] = []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for number, begin, payload, end in _fields(data, 0, len(data)):
            if number == _MODEL_GRAPH and payload is not None:
                parts += _embedded(_MODEL_GRAPH, _slim_graph(data, payload, end, raw_sizes))
            else:
                parts.append(data[begin:end])
    return b"".join(parts), raw_sizes


def _slim_graph(data: mmap.mmap, begin: int, end: int, raw_sizes: list[int]) -> bytes:
    parts: list[bytes] = []
    for number, field_begin, payload, field_end in _fields(data, begin, end):
        if number == _GRAPH_INITIALIZER and payload is not None:
            raw_size, slim = _slim_tensor(data, payload, field_end)
            raw_sizes.append(raw_size)
            parts += _embedded(_GRAPH_INITIALIZER, slim)
        else:
            parts.append(data[field_begin:field_end])
    return b"".join(parts)


def _slim_tensor(data: mmap.mmap, begin: int, end: int) -> tuple[int, bytes]:
    raw_size = 0
    parts: list[bytes] = []
    for number, field_begin, payload, field_end in _fields(data, begin, end):
        if number == _TENSOR_RAW_DATA and payload is not None:
            raw_size = field_end - payload
            if raw_size > _SMALL_CONSTANT:
                continue
        parts.append(data[field_begin:field_end])
    return raw_size, b"".join(parts)


def _embedded(number: int, message: bytes) -> tuple[bytes, bytes, bytes]:
    return _varint(number << 3 | 2), _varint(len(message)), message


def _fields(data: mmap.mmap, begin: int, end: int) -> Iterator[tuple[int, int, int | None, int]]:
    """Number, first byte, first byte of the payload (None for numbers) and end of each field in `data[begin:end]`."""
    position = begin
    while position < end:
        field_begin = position
        key, position = _read_varint(data, position, end)
        number, wire_type = key >> 3, key & 7
        payload = None
        if wire_type == 0:
            _, position = _read_varint(data, position, end)
        elif wire_type == 1:
            position += 8
        elif wire_type == 2:
            size, payload = _read_varint(data, position, end)
            position = payload + size
        elif wire_type == 5:
            position += 4
        else:
            raise ValueError(f"wire type {wire_type} at byte {field_begin}")
        if position > end or number == 0:
            raise ValueError(f"the field at byte {field_begin} does not fit into its message")
        yield number, field_begin, payload, position


def _read_varint(data: mmap.mmap, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while position < end and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError(f"a number at byte {position} does not end")


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
