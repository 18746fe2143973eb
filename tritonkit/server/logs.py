"""Triton's log, line by line: what it says, of which model, and why that model did not load."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Level = Literal["verbose", "info", "warning", "error"]

# Triton's default format: LMMDD hh:mm:ss.ssssss PID FILE:LINE] "MESSAGE", the message escaped as in C.
_HEAD = re.compile(r"^([IWEV])(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d+) (\d+) ([\w.]+):(\d+)\] ?(.*)$")
_LEVELS: dict[str, Level] = {"V": "verbose", "I": "info", "W": "warning", "E": "error"}
_MODEL = re.compile(
    r"(?:failed to (?:load|unload)|successfully (?:loaded|unloaded)|loading:|for model|Poll failed for model directory"
    r"|TRITONBACKEND_ModelInstance(?:Initialize|Finalize):|unable to load model|autofill failed for model)"
    r"(?: model)? '?([\w.\-]+?)'?(?:_\d+ \(|:\d+$| version|:|,|$| )"
)
# Every way in which the log says that a model is not there, each with the model and its reason.
_FAILURES = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"^failed to load '(?P<model>[^']+)' version -?\d+: (?P<reason>.*)$",
        r"^failed to load model '(?P<model>[^']+)': (?P<reason>.*)$",
        r"^failed to poll model '(?P<model>[^']+)': (?P<reason>.*)$",
        r"^Poll failed for model directory '(?P<model>[^']+)': (?P<reason>.*)$",
        r"^(?:Invalid argument: )?ensemble '(?P<model>[^']+)' (?P<reason>depends on .*)$",
        r"^(?:Invalid argument: )?in ensemble '?(?P<model>[^',]+)'?, (?P<reason>.*)$",
    )
)
_ESCAPES = {"\\n": "\n", "\\t": "\t", '\\"': '"', "\\'": "'", "\\\\": "\\", "\\r": "\r"}
_STATUS = re.compile(r"^(?:Internal|Invalid argument|Not found|Unavailable|Unsupported|Unknown|Already exists): ")
_EXCEPTION = re.compile(r"^(?:[\w.]+\.)?(?:TritonModelException|ValueError|RuntimeError): ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One entry of the log.

    Attributes:
        time: when, in UTC; the log carries no year, so the current one is assumed.
        level: how grave.
        model: the model that the message names; `None` if none.
        message: the text, its escapes undone; tables and a backend's own output have no head and are `info`.
        source: the source file of Triton that wrote it; empty for output without a head.
    """

    time: datetime | None
    level: Level
    model: str | None
    message: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFailure:
    """A model that did not load, and its own reason in one line."""

    model: str
    reason: str


def parse_line(line: str) -> Record:
    """The record of one line of the log."""
    line = line.rstrip("\n")
    head = _HEAD.match(line)
    if head is None:
        return Record(time=None, level="info", model=None, message=line, source="")
    letter, month, day, hour, minute, second, fraction, _pid, source, _line, text = head.groups()
    now = datetime.now(UTC)
    when = datetime(
        now.year, int(month), int(day), int(hour), int(minute), int(second), int(fraction[:6].ljust(6, "0")), tzinfo=UTC
    )
    message = _unquoted(text)
    model = _MODEL.search(message)
    return Record(
        time=when, level=_LEVELS[letter], model=model.group(1) if model else None, message=message, source=source
    )


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return re.sub(r"\\.", lambda found: _ESCAPES.get(found.group(), found.group()), text)


class LogReader:
    """Reads what a growing log has gained since the last look."""

    def __init__(self, path: Path, *, offset: int = 0) -> None:
        self.path = path
        self._offset = offset
        self._partial = b""

    def new_records(self) -> list[Record]:
        """The records that were completed since the last call."""
        try:
            with self.path.open("rb") as log:
                log.seek(self._offset)
                data = log.read()
        except FileNotFoundError:
            return []
        self._offset += len(data)
        *lines, self._partial = (self._partial + data).split(b"\n")
        return [parse_line(line.decode(errors="replace")) for line in lines]


def load_failures(records: Iterable[Record]) -> tuple[LoadFailure, ...]:
    """Each model that failed to load with the reason that the server gave, the last one of each model."""
    found: dict[str, LoadFailure] = {}
    detail = ""
    for record in records:
        if "Error parsing text-format" in record.message:
            # protobuf prints the place in the file just before Triton's own line, which lacks it.
            detail = record.message.partition("Error parsing text-format inference.ModelConfig: ")[2]
            continue
        for pattern in _FAILURES:
            match = pattern.match(record.message)
            if match:
                reason = one_line(match["reason"])
                if detail and "failed to read text proto" in reason:
                    reason = f"{reason} at {detail}"
                    detail = ""
                found[match["model"]] = LoadFailure(model=match["model"], reason=reason)
    return tuple(found.values())


def one_line(reason: str) -> str:
    """A server's reason without status word, Python exception name, traceback and line breaks."""
    text = reason.partition("\n\nAt:\n")[0]
    text = _EXCEPTION.sub("", _STATUS.sub("", text.strip()))
    # An ensemble repeats the whole reason of its part, which stands in the log under the part's own name.
    text = text.partition(" Model '")[0] if text.startswith("depends on ") else text
    return " ".join(text.split()).rstrip(";")
