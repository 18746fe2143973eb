"""Rules on the text of config.pbtxt."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from tritonkit.repository.config import EXTRA_TEXT_HEADING
from tritonkit.repository.lint.findings import Finding
from tritonkit.spec.ngc import CONFIG_FIELDS_SINCE, is_since

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from tritonkit.repository.lint.findings import ModelFacts, Repository
    from tritonkit.spec.errors import InputError


def config_text(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """The file must be protobuf text of a ModelConfig; the server says no more than `failed to read text proto`."""
    del repository
    if model.text_error is not None:
        yield Finding(
            key=_position(model.text_error),
            cause=f"the server cannot read this text: {_reason(model.text_error)}",
            fix=model.text_error.hint
            or "write it as protobuf text: `key: value`, strings in quotes, { } around messages",
        )


def config_unknown_field(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A field or an enum value that the server's parser does not know makes the whole file unreadable."""
    error = model.unknown_word
    if error is None:
        return
    newer = _kit_is_older_than(repository.target.release.triton)
    yield Finding(
        key=_position(error),
        cause=f"{error.what}: {error.got}"
        + (", as far as this kit's older ModelConfig knows" if newer else ", and the server will not read the file"),
        fix=error.hint or "leave it out",
        severity="warning" if newer else "error",
    )


def config_newer_field(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A field that is newer than the target release makes the whole file unreadable there."""
    release = repository.target.release
    for name, key in _fields_in_use(model.given, ""):
        since = CONFIG_FIELDS_SINCE.get(name)
        if since is not None and not is_since(release, since):
            yield Finding(
                key=key,
                cause=f"Triton knows {key} since {since}, and {release.name} will not read a file that has it",
                fix=f"leave it out, or target {since} or later",
            )


def config_extra_text(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """What was appended as it is has been checked by nobody but the rules above."""
    del repository
    if model.text is not None and EXTRA_TEXT_HEADING in model.text:
        yield Finding(
            cause="the end of the file was appended as it is, and a field in it that the target lacks is fatal there",
            fix="say it through `config:` once the kit's ModelConfig has the field",
        )


def _reason(error: InputError) -> str:
    """What the parser says, without the words that only repeat that it is unreadable."""
    return f"{error.what}: {error.got}" if error.hint else error.got or error.what


def _position(error: InputError) -> str:
    """`line 3, column 1`, from the `file:3:1` of a parse error."""
    parts = (error.where or "").rsplit(":", 2)
    return f"line {parts[1]}, column {parts[2]}" if len(parts) == 3 and parts[1].isdigit() else ""


def _kit_is_older_than(triton: str) -> bool:
    """Whether the server may know more fields than the ModelConfig that is installed here."""
    try:
        installed = version("tritonclient")
    except PackageNotFoundError:
        return True
    return [int(part) for part in installed.split(".")[:2]] < [int(part) for part in triton.split(".")[:2]]


def _fields_in_use(message: Message, prefix: str) -> Iterator[tuple[str, str]]:
    """`Message.field` and the key of every field that is set, all the way down."""
    for field, value in message.ListFields():
        key = f"{prefix}{field.name}"
        yield f"{message.DESCRIPTOR.name}.{field.name}", key
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        if field.is_repeated:
            for index, item in enumerate(value):
                yield from _fields_in_use(item, f"{key}[{index}].")
        else:
            yield from _fields_in_use(value, f"{key}.")
