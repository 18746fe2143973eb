"""YAML that remembers where each key stood, so that an error names file, line and key."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Located:
    """A YAML document and the 1-based line of each of its keys and items.

    Attributes:
        data: the document as plain Python values.
        lines: line number by path, such as `("inputs", 0, "dims")`.
    """

    data: Any
    lines: dict[Location, int]

    def line(self, location: Location) -> int:
        """The line of `location`, or of the nearest thing around it that has one."""
        for end in range(len(location), 0, -1):
            if location[:end] in self.lines:
                return self.lines[location[:end]]
        return 1


def read_yaml(path: Path) -> Located:
    """Reads the one YAML document in `path`.

    Raises:
        InputError: there is no such file, it is no YAML, or a key stands twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(
            "the file cannot be read", where=path, got=error.strerror, hint="give the path of a model.yaml"
        ) from None
    except UnicodeDecodeError as error:
        raise InputError("the file is no UTF-8 text", where=path, got=f"a bad byte at {error.start}") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise InputError("the file is no YAML", where=where, got=error.problem) from None
    lines: dict[Location, int] = {}
    if node is not None:
        _collect(node, (), lines, path)
    return Located(data=data, lines=lines)


def _collect(node: yaml.Node, location: Location, lines: dict[Location, int], path: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            here = (*location, key_node.value)
            line = key_node.start_mark.line + 1
            if here in lines:
                raise InputError(
                    "a key stands twice in one mapping",
                    where=f"{path}:{line}",
                    got=f"{dotted(here)}, first on line {lines[here]}",
                    hint="keep one of them",
                )
            lines[here] = line
            _collect(value_node, here, lines, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*location, index)] = item.start_mark.line + 1
            _collect(item, (*location, index), lines, path)


def dotted(location: Location) -> str:
    """`("inputs", 0, "dims")` as people write it: `inputs[0].dims`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def read_document(path: Path, model: type[Model]) -> Model:
    """Reads `path` as a `model`.

    Raises:
        InputError: with the file, line and key of the first thing wrong, and the nearest valid word.
    """
    located = read_yaml(path)
    if not isinstance(located.data, dict):
        raise InputError(
            "the document is no mapping",
            where=path,
            got=type(located.data).__name__,
            expected="keys and values, such as `name: my_model`",
        )
    try:
        return model.model_validate(located.data)
    except ValidationError as error:
        # A mistyped key is also a missing one: the word that is there says more than the one that is not.
        details = sorted(error.errors(), key=lambda detail: detail["type"] != "extra_forbidden")
        raise _explain(details[0], located, path, model) from None


def _explain(detail: ErrorDetails, located: Located, path: Path, model: type[BaseModel]) -> InputError:
    location = _real_location(detail["loc"], located)
    where = f"{path}:{located.line(location)}"
    key = dotted(location) or "document"
    if detail["type"] == "extra_forbidden":
        known = _fields_at(model, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        return InputError(
            f"{key}: there is no such key",
            where=where,
            got=str(location[-1]),
            expected=", ".join(known) if known else None,
            hint=f"did you mean {near[0]}?" if near else None,
        )
    if detail["type"] == "missing":
        return InputError(f"{key}: this key is missing", where=where, hint=_description(model, location))
    got = detail["input"]
    shown = None if isinstance(got, dict | list) else repr(got)
    expected, hint = None, None
    if detail["type"] == "literal_error":
        expected = detail["ctx"]["expected"]
        near = difflib.get_close_matches(str(got), expected.replace("'", "").replace(" or ", ", ").split(", "), n=1)
        hint = f"did you mean {near[0]}?" if near else None
    message = detail["msg"].removeprefix("Value error, ")
    return InputError(f"{key}: {message}", where=where, got=shown, expected=expected, hint=hint)


def _real_location(location: Location, located: Located) -> Location:
    """`location` without the tags that pydantic puts in for the members of a union."""
    real: Location = ()
    for index, part in enumerate(location):
        if (*real, part) in located.lines or index == len(location) - 1:
            real = (*real, part)
    return real


def _fields_at(model: type[BaseModel], location: Location) -> list[str]:
    """The field names that may stand at `location`."""
    return sorted({name for owner in _owners(model, location) for name in owner.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in getattr(annotation, "__args__", ()) for found in _models_in(argument)]


def _description(model: type[BaseModel], location: Location) -> str | None:
    name = str(location[-1])
    for candidate in _owners(model, location[:-1]):
        field = candidate.model_fields.get(name)
        if field is not None and field.description:
            return f"it says: {field.description}"
    return None


def _owners(model: type[BaseModel], location: Location) -> list[type[BaseModel]]:
    """The models that may stand at `location`, found through the annotations; several where there is a union."""
    current = [model]
    for part in location:
        if isinstance(part, str):
            current = [
                found
                for candidate in current
                if part in candidate.model_fields
                for found in _models_in(candidate.model_fields[part].annotation)
            ]
    return current
