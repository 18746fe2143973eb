"""Generates values.schema.json and the values table of README.md from the annotated values.yaml, and the dashboard.

Run it after a change of values.yaml or dashboard.py: `python helm/generate.py`. A test fails while they differ.

In values.yaml the comment right above a key is its description. A comment line `@schema` holds JSON Schema in YAML's
flow style, which is merged over what the default value says: its type, and for a mapping with keys that no other key
is known.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from dashboard import dashboard

CHART = Path(__file__).parent / "tritonkit"
BEGIN, END = "<!-- values: begin -->", "<!-- values: end -->"
_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "seq": "array", "map": "object"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One key of values.yaml.

    Attributes:
        path: its name, with those of the mappings around it.
        description: the comment above it.
        schema: what `@schema` says.
        node: its default, as YAML.
    """

    path: tuple[str, ...]
    description: str
    schema: dict[str, Any]
    node: yaml.Node

    @property
    def default(self) -> Any:
        """The default value."""
        return _plain(self.node)

    @property
    def children(self) -> bool:
        """Whether the keys below are values of their own, rather than one value."""
        return isinstance(self.node, yaml.MappingNode) and bool(self.node.value) and not self.node.flow_style


def read_values(text: str) -> list[Value]:
    """Every key of `text`, in its order."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)  # noqa: S101 - the file is the chart's own
    return list(_walk(root, (), text.splitlines()))


def schema(values: list[Value]) -> dict[str, Any]:
    """The JSON Schema of all values."""
    root: dict[str, Any] = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the tritonkit chart",
        "type": "object",
        "additionalProperties": False,
        "properties": {"global": {"type": "object", "description": "Helm's own; the chart reads nothing there."}},
    }
    for value in values:
        parent = root
        for name in value.path[:-1]:
            parent = parent["properties"][name]
        parent["properties"][value.path[-1]] = _schema_of(value)
    return root


def table(values: list[Value]) -> str:
    """The values as a Markdown table."""
    rows = ["| Value | Default | Meaning |", "| --- | --- | --- |"]
    for value in values:
        if value.children:
            if value.description:
                rows.append(f"| **{'.'.join(value.path)}** |  | {value.description} |")
            continue
        choice = value.schema.get("enum")
        words = [value.description, f"One of {', '.join(f'`{_text(c)}`' for c in choice)}." if choice else ""]
        default = f"`{_text(value.default)}`" if value.default != "" else ""
        rows.append(f"| {'.'.join(value.path)} | {default} | {' '.join(w for w in words if w)} |")
    return "\n".join(rows)


def generated() -> dict[Path, str]:
    """What the generated files should hold."""
    values = read_values((CHART / "values.yaml").read_text(encoding="utf-8"))
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    before, rest = readme.split(BEGIN)
    after = rest.split(END)[1]
    return {
        CHART / "values.schema.json": json.dumps(schema(values), indent=2) + "\n",
        CHART / "dashboards" / "triton.json": json.dumps(dashboard(), indent=1) + "\n",
        CHART / "README.md": f"{before}{BEGIN}\n{table(values)}\n{END}{after}",
    }


def _walk(node: yaml.MappingNode, path: tuple[str, ...], lines: list[str]) -> Any:
    for key, child in node.value:
        description, extra = _comment(lines, key.start_mark.line, key.start_mark.column)
        value = Value(path=(*path, key.value), description=description, schema=extra, node=child)
        yield value
        if value.children:
            yield from _walk(child, value.path, lines)


def _comment(lines: list[str], line: int, column: int) -> tuple[str, dict[str, Any]]:
    prefix = " " * column + "# "
    first = line
    while first > 0 and lines[first - 1].startswith(prefix):
        first -= 1
    words: list[str] = []
    extra: dict[str, Any] = {}
    for text in (lines[i].removeprefix(prefix) for i in range(first, line)):
        if text.startswith("@schema "):
            extra |= yaml.safe_load(text.removeprefix("@schema "))
        else:
            words.append(text)
    return " ".join(words), extra


def _schema_of(value: Value) -> dict[str, Any]:
    tag = value.node.tag.removeprefix("tag:yaml.org,2002:")
    described = {"description": value.description} if value.description else {}
    # A list of allowed values says the type itself, and may mix words with true and false.
    kind = {} if "enum" in value.schema else {"type": _TYPES[tag]}
    below = {"additionalProperties": False, "properties": {}} if value.children else {}
    return {**described, **kind, **below, **value.schema}


def _plain(node: yaml.Node) -> Any:
    return yaml.safe_load(yaml.serialize(node))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def main() -> None:
    """Writes them."""
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
