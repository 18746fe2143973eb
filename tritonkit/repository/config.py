"""`config.pbtxt` and the official `ModelConfig` message: read, write, merge.

The message class is the one of `tritonclient`, so that what is written here is what Triton's own client
library knows. Its module alone is loaded (25 ms): the package around it would bring gRPC and numpy (270 ms).
"""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from google.protobuf import text_format

from tritonkit.repository.config_writer import is_map, write_config
from tritonkit.spec.errors import InputError, UnavailableError

if TYPE_CHECKING:
    from types import ModuleType

    from google.protobuf.descriptor import Descriptor, FieldDescriptor


def _load_message_module() -> ModuleType:
    package = importlib.util.find_spec("tritonclient")
    folders = package.submodule_search_locations if package else None
    for folder in folders or ():
        file = Path(folder) / "grpc" / "model_config_pb2.py"
        spec = importlib.util.spec_from_file_location("tritonclient_model_config_pb2", file)
        if file.is_file() and spec is not None and spec.loader is not None:
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    raise UnavailableError(
        "the ModelConfig message is not installed",
        where="tritonclient/grpc/model_config_pb2.py",
        hint="pip install 'tritonclient[grpc,http]'",
    )


__all__ = [
    "EXTRA_TEXT_HEADING",
    "ModelConfig",
    "append_config_text",
    "descriptor",
    "merge_config",
    "new_config",
    "parse_config",
    "read_config",
    "read_text",
    "write_config",
]

# tritonclient has no type stubs: its messages are `Any` to a type checker. protobuf keeps one class a message,
# so this is the same class that `tritonclient.grpc.model_config_pb2` gives whoever imports that.
ModelConfig: TypeAlias = Any
_MESSAGES = _load_message_module()

EXTRA_TEXT_HEADING = "# Appended as given: fields that may be newer than the kit's own ModelConfig."
"""The line above what `append_config_text` appended; `tritonkit lint` recognises it."""

_UNKNOWN_FIELD = re.compile(r'Message type "(?P<message>[\w.]+)" has no field named "(?P<word>[^"]+)"')
_UNKNOWN_VALUE = re.compile(r'Enum type "(?P<enum>[\w.]+)" has no value named (?P<word>\w+)')


def new_config(**fields: object) -> ModelConfig:
    """An empty `ModelConfig`, or one with these fields."""
    return _MESSAGES.ModelConfig(**fields)


def descriptor(message: str = "ModelConfig") -> Descriptor:
    """The descriptor of `ModelConfig`, or of another message of its file, e.g. `ModelInput`."""
    found: Descriptor = _MESSAGES.DESCRIPTOR.message_types_by_name[message]
    return found


def parse_config(text: str, *, where: str, allow_unknown_fields: bool = False) -> ModelConfig:
    """The `ModelConfig` that `text` describes.

    Args:
        text: protobuf text format, as in `config.pbtxt`.
        where: the file's name, for errors.
        allow_unknown_fields: skip fields and enum values that the message does not have.

    Raises:
        InputError: with file, line and column, and the nearest field or enum value for an unknown word.
    """
    config = new_config()
    try:
        text_format.Parse(text, config, allow_unknown_field=allow_unknown_fields)
    except text_format.ParseError as error:
        line, column = error.GetLine(), error.GetColumn()
        position = f"{where}:{line}:{column}" if line else where
        raise _parse_error(str(error), position) from error
    return config


def read_config(path: Path) -> ModelConfig:
    """The `ModelConfig` in the file `path`.

    Raises:
        InputError: no such file, not UTF-8, or not a `ModelConfig`.
    """
    return parse_config(read_text(path), where=str(path))


def read_text(path: Path) -> str:
    """The text of the file `path`.

    Raises:
        InputError: no such file, or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError("there is no such configuration", where=path) from None
    except (IsADirectoryError, UnicodeDecodeError, PermissionError) as error:
        raise InputError("this configuration is not a readable text file", where=path, got=error) from error


def _parse_error(message: str, where: str) -> InputError:
    # `1:2 : 'the whole line': what is wrong`, of which the position is said already.
    reason = re.sub(r"^\d+:\d+ : (?:'.*': (?=[A-Z]))?", "", message)
    if match := _UNKNOWN_FIELD.search(reason):
        known = [field.name for field in _MESSAGES.DESCRIPTOR.pool.FindMessageTypeByName(match["message"]).fields]
        return _unknown_word(
            f"{match['message'].removeprefix('inference.')} has no such field", where, match["word"], known
        )
    if match := _UNKNOWN_VALUE.search(reason):
        known = [value.name for value in _MESSAGES.DESCRIPTOR.pool.FindEnumTypeByName(match["enum"]).values]
        return _unknown_word(
            f"{match['enum'].removeprefix('inference.')} has no such value", where, match["word"], known
        )
    return InputError("this is not protobuf text", where=where, got=reason)


def _unknown_word(what: str, where: str, word: str, known: list[str]) -> InputError:
    nearest = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]}?" if nearest else f"it has {', '.join(known)}"
    return InputError(what, where=where, got=word, hint=hint)


def append_config_text(text: str, extra_text: str) -> str:
    """`text` followed by `extra_text` as it is, for fields that a newer Triton has and the kit's message lacks.

    Nothing checks `extra_text` here; `tritonkit lint` says which of its fields it does not know.
    """
    if not extra_text.strip():
        return text
    return f"{text.rstrip()}\n\n{EXTRA_TEXT_HEADING}\n{extra_text.strip()}\n"


def merge_config(base: ModelConfig, extra: Mapping[str, object], *, where: str) -> ModelConfig:
    """`base` with the fields of `extra` set: a new message, `base` stays as it is.

    Messages and maps merge, key by key; scalars and lists replace what `base` has.

    Args:
        base: the configuration to start from.
        extra: fields by their proto names, as YAML or JSON give them; enum values by name.
        where: file and key of `extra`, for errors.

    Raises:
        InputError: an unknown field or enum value (with the nearest word), or a value of the wrong type.
    """
    merged = new_config()
    merged.CopyFrom(base)
    _merge_message(merged, extra, where)
    return merged


def _merge_message(message: Any, fields: object, where: str) -> None:
    if not isinstance(fields, Mapping):
        raise InputError("these are the fields of a message", where=where, got=repr(fields), expected="a mapping")
    known = message.DESCRIPTOR.fields_by_name
    for name, value in fields.items():
        if name not in known:
            raise _unknown_word(f"{message.DESCRIPTOR.name} has no such field", where, str(name), list(known))
        _merge_field(message, known[name], value, f"{where}.{name}")


def _merge_field(message: Any, field: FieldDescriptor, value: object, where: str) -> None:
    if is_map(field):
        _merge_map(getattr(message, field.name), field, value, where)
    elif field.is_repeated:
        if not isinstance(value, list | tuple):
            raise InputError("this field is a list", where=where, got=repr(value))
        message.ClearField(field.name)
        items = getattr(message, field.name)
        for position, item in enumerate(value):
            if field.message_type is not None:
                _merge_message(items.add(), item, f"{where}[{position}]")
            else:
                _set(items.append, field, item, f"{where}[{position}]")
    elif field.message_type is not None:
        inner = getattr(message, field.name)
        # An empty mapping says something too: `dynamic_batching: {}` turns batching on.
        inner.SetInParent()
        _merge_message(inner, value, where)
    else:
        _set(partial(setattr, message, field.name), field, value, where)


def _merge_map(entries: Any, field: FieldDescriptor, value: object, where: str) -> None:
    if not isinstance(value, Mapping):
        raise InputError("this field is a map", where=where, got=repr(value), expected="a mapping")
    entry = cast("Descriptor", field.message_type)
    key_field, value_field = entry.fields_by_name["key"], entry.fields_by_name["value"]
    for name, item in value.items():
        key = _key(key_field, name, f"{where}.{name}")
        if value_field.message_type is None:
            _set(partial(entries.__setitem__, key), value_field, item, f"{where}.{name}")
        else:
            _merge_message(entries[key], item, f"{where}.{name}")


def _key(field: FieldDescriptor, key: object, where: str) -> object:
    """A map's key in its own type: JSON has string keys alone, and Triton's priority levels are numbers."""
    if field.cpp_type == field.CPPTYPE_STRING:
        return str(key)
    try:
        return int(str(key))
    except ValueError:
        raise InputError("this map's keys are whole numbers", where=where, got=repr(key)) from None


def _set(assign: Callable[[Any], object], field: FieldDescriptor, value: object, where: str) -> None:
    if field.enum_type is not None:
        values = field.enum_type.values_by_name
        if value not in values:
            raise _unknown_word(f"{field.enum_type.name} has no such value", where, str(value), list(values))
        value = values[str(value)].number
    elif isinstance(value, bool) != (field.cpp_type == field.CPPTYPE_BOOL):
        # Python takes True for the number 1 and protobuf 1 for True; a configuration that says so means another field.
        raise InputError("this value has the wrong type", where=where, got=repr(value), expected=_type_name(field))
    try:
        assign(value)
    except (TypeError, ValueError) as error:
        raise InputError(
            "this value has the wrong type", where=where, got=repr(value), expected=_type_name(field)
        ) from error


def _type_name(field: FieldDescriptor) -> str:
    return {
        field.CPPTYPE_BOOL: "true or false",
        field.CPPTYPE_STRING: "a string",
        field.CPPTYPE_INT32: "a whole number of 32 bits",
        field.CPPTYPE_INT64: "a whole number of 64 bits",
        field.CPPTYPE_UINT32: "a whole number of 32 bits, 0 or more",
        field.CPPTYPE_UINT64: "a whole number of 64 bits, 0 or more",
    }.get(field.cpp_type, "a number")
