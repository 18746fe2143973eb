"""A setting -> the spec's own text: values are replaced where they stand, so comments and layout stay.

A YAML parser tells where each value begins and ends; nothing is written that the text around it does not already have,
but for keys that are missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tritonkit.spec.tuning import Setting

Path = tuple[str | int, ...]


def with_setting(text: str, setting: Setting) -> str:
    """The text of a `model.yaml` that serves the model as `setting` says.

    Raises:
        InputError: it has no `serving`, or one that is written in a way in which nothing can be replaced.
    """
    for path, value in _values(setting):
        if path[-1] == "count":
            _require_one_group(text, path[:-2])
        text = with_value(text, path, value)
    return text


def _values(setting: Setting) -> Iterator[tuple[Path, str]]:
    """Where each part of a setting stands in a spec, and how it is written there."""
    yield ("serving", "variant"), setting.variant
    yield ("serving", "max_batch_size"), str(setting.max_batch_size)
    yield ("serving", "instance_group", 0, "count"), str(setting.instances)
    if setting.threads is not None:
        yield ("serving", "parameters", "intra_op_thread_count"), f'"{setting.threads}"'
    yield ("serving", "dynamic_batching", "max_queue_delay_microseconds"), str(setting.max_queue_delay_microseconds)
    if setting.preprocess_instances is not None:
        yield ("preprocess", "serving", "instance_group", 0, "kind"), "KIND_CPU"
        yield ("preprocess", "serving", "instance_group", 0, "count"), str(setting.preprocess_instances)


def _require_one_group(text: str, path: Path) -> None:
    """Of several groups nobody could say which one the setting's number is about."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for key in path:
        node = node and _child(node, key)
    if isinstance(node, yaml.SequenceNode) and len(node.value) > 1:
        raise InputError(
            "there are several instance groups", where=".".join(map(str, path)), got=len(node.value), expected=1
        )


def with_value(text: str, path: Path, value: str) -> str:
    """`text` with the scalar at `path` replaced by `value`; keys that are missing on the way are put in.

    Raises:
        InputError: there is no mapping to put the first of them in.
    """
    node, reached = yaml.compose(text, Loader=yaml.SafeLoader), 0
    if node is None:
        raise InputError("the spec is empty")
    while reached < len(path) and (inner := _child(node, path[reached])) is not None:
        node, reached = inner, reached + 1
    if reached == len(path):
        return text[: node.start_mark.index] + value + text[node.end_mark.index :]
    if not isinstance(node, yaml.MappingNode) or not node.value:
        raise InputError("the spec cannot be edited here", where=".".join(map(str, path[: reached + 1])))
    return _with_key(text, node, _nested(path[reached:], value))


def _child(node: yaml.Node, key: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == key), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key]  # type: ignore[no-any-return]  # PyYAML's nodes are untyped
    return None


def _nested(path: Sequence[str | int], value: str) -> str:
    """`a: {b: [{c: value}]}` for the path a, b, 0, c."""
    text = value
    for inner in reversed(path[1:]):
        text = f"[{text}]" if isinstance(inner, int) else f"{{{inner}: {text}}}"
    return f"{path[0]}: {text}"


def _with_key(text: str, mapping: yaml.MappingNode, entry: str) -> str:
    """`entry` as a further key of `mapping`, in the mapping's own style."""
    first_key, _ = mapping.value[0]
    last_key, last = mapping.value[-1]
    if mapping.flow_style:
        end = last.end_mark.index
        return f"{text[:end]}, {entry}{text[end:]}"
    indent = " " * first_key.start_mark.column
    # Before the last key and not after it, whose value may be a block with an end that nobody can see.
    begin = last_key.start_mark.index
    return f"{text[:begin]}{entry}\n{indent}{text[begin:]}"
