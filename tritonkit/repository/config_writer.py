"""A protobuf message -> text that is canonical and pleasant to review."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any, cast

from google.protobuf import message_factory, text_encoding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

_LINE_WIDTH = 110


def write_config(config: Message) -> str:
    """A `ModelConfig` as text, canonical: equal messages give equal text, and `parse_config` gives the message back.

    Fields stand in the order of the proto file, map entries by key; a message stands on one line where it fits.
    """
    return "".join(f"{line}\n" for line in _message_lines(config, indent=""))


def _message_lines(message: Message, indent: str) -> Iterator[str]:
    for field, value in _present_fields(message):
        yield from _field_lines(field, value, indent)


def _present_fields(message: Message) -> list[tuple[FieldDescriptor, Any]]:
    """The fields that are set, in the order of the proto file (`ListFields` has them by number)."""
    return sorted(cast("list[tuple[FieldDescriptor, Any]]", message.ListFields()), key=lambda pair: pair[0].index)


def _field_lines(field: FieldDescriptor, value: Any, indent: str) -> Iterator[str]:
    if is_map(field):
        for entry in _entries(field, value):
            yield from _block_lines(f"{indent}{field.name} ", entry, indent)
    elif field.is_repeated and field.message_type is None:
        yield from _list_lines(field, value, indent)
    elif field.is_repeated:
        yield f"{indent}{field.name} ["
        for position, item in enumerate(value, start=1):
            *head, last = _block_lines(f"{indent}  ", item, f"{indent}  ")
            yield from head
            yield last if position == len(value) else f"{last},"
        yield f"{indent}]"
    elif field.message_type is not None:
        yield from _block_lines(f"{indent}{field.name} ", value, indent)
    else:
        yield f"{indent}{field.name}: {_scalar(field, value)}"


def _block_lines(opening: str, message: Message, indent: str) -> Iterator[str]:
    inline = _inline(message)
    if inline is not None and len(opening) + len(inline) <= _LINE_WIDTH:
        yield opening + inline
        return
    yield f"{opening}{{"
    yield from _message_lines(message, f"{indent}  ")
    yield f"{indent}}}"


def _list_lines(field: FieldDescriptor, values: Any, indent: str) -> Iterator[str]:
    items = [_scalar(field, value) for value in values]
    line = f"{indent}{field.name}: [{', '.join(items)}]"
    if len(line) <= _LINE_WIDTH:
        yield line
        return
    yield f"{indent}{field.name}: ["
    yield from (f"{indent}  {item}{',' if i < len(items) else ''}" for i, item in enumerate(items, start=1))
    yield f"{indent}]"


def _inline(message: Message) -> str | None:
    """`message` on one line, or None where that would hide structure: a list of messages, or a map, inside it."""
    parts = []
    for field, value in _present_fields(message):
        if field.message_type is None and field.is_repeated:
            parts.append(f"{field.name}: [{', '.join(_scalar(field, item) for item in value)}]")
        elif field.message_type is None:
            parts.append(f"{field.name}: {_scalar(field, value)}")
        elif field.is_repeated or (inner := _inline(value)) is None:
            return None
        else:
            parts.append(f"{field.name} {inner}")
    return f"{{ {', '.join(parts)} }}" if parts else "{}"


def is_map(field: FieldDescriptor) -> bool:
    """Whether `field` is a protobuf map."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _entries(field: FieldDescriptor, value: Mapping[Any, Any]) -> list[Message]:
    """The entries of a map field as messages of their own, in the order of their keys."""
    entry_type = cast("Descriptor", field.message_type)
    entry_class = message_factory.GetMessageClass(entry_type)
    entries: list[Any] = []
    for key in sorted(value):
        entry: Any = entry_class(key=key)
        if entry_type.fields_by_name["value"].message_type is None:
            entry.value = value[key]
        else:
            entry.value.CopyFrom(value[key])
        entries.append(entry)
    return entries


def _scalar(field: FieldDescriptor, value: Any) -> str:
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known else str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{text_encoding.CEscape(value.encode(), as_utf8=True)}"'
    if field.cpp_type == field.CPPTYPE_FLOAT:
        return _shortest_float(value)
    return str(value)


def _shortest_float(value: float) -> str:
    """The fewest digits that give the same 32-bit float back; protobuf hands it over widened to 64 bits."""
    texts = (f"{value:.{digits}g}" for digits in range(6, 9))
    return next((text for text in texts if _to_float32(text) == value), f"{value:.9g}")


def _to_float32(text: str) -> float:
    try:
        return float(struct.unpack("<f", struct.pack("<f", float(text)))[0])
    except OverflowError:
        return math.inf
