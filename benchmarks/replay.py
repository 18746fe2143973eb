"""A recorded trace -> when its requests came, to be sent again in the same rhythm."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_FORMS = "a number of seconds a line, or the JSON file of Triton's own trace"


def read_trace(path: Path) -> tuple[float, ...]:
    """Seconds after the first request at which each came, ascending.

    Two kinds of file are read: text with a time in seconds a line, counted from anywhere, `#` beginning a comment; and
    what Triton writes with `--trace-config triton,file=...` at level TIMESTAMPS, of which each request's own
    REQUEST_START counts and those of the parts of an ensemble do not.

    Raises:
        InputError: the file cannot be read, is of neither kind, or has fewer than two requests.
    """
    try:
        text = path.read_text(encoding="utf-8")
        times = _triton_times(json.loads(text)) if text.lstrip().startswith("[") else _listed_times(text)
    except OSError as error:
        raise InputError("this trace cannot be read", where=path, got=error.strerror) from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("this is no trace", where=path, got=error, expected=_FORMS) from None
    if len(times) < 2 or not all(map(math.isfinite, times)):
        raise InputError("there is nothing to replay", where=path, got=f"{len(times)} requests", expected=_FORMS)
    times.sort()
    return tuple(time - times[0] for time in times)


def _listed_times(text: str) -> list[float]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [float(line) for line in lines if line]


def _triton_times(records: list[dict[str, Any]]) -> list[float]:
    """Triton writes a record that names the model, and then records with times, all under the request's number."""
    inner = {record["id"] for record in records if "parent_id" in record}
    return [
        stamp["ns"] / 1e9
        for record in records
        if record["id"] not in inner
        for stamp in record.get("timestamps", ())
        if stamp["name"] == "REQUEST_START"
    ]
