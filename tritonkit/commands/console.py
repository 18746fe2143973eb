"""How commands talk to a person: aligned tables, one line a step, a live line for long work.

Results go to stdout, everything else to stderr, so that a pipe or `--json` sees results alone.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel


def say(text: str) -> None:
    """One line for the person who watches, on stderr."""
    print(text, file=sys.stderr, flush=True)


def emit(text: str) -> None:
    """A result, on stdout."""
    print(text, flush=True)


def print_json(document: BaseModel | Mapping[str, object] | Sequence[object]) -> None:
    """One JSON document on stdout."""
    if isinstance(document, Mapping | Sequence):
        emit(json.dumps(document, indent=2))
    else:
        emit(document.model_dump_json(indent=2))


def table(header: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[int] = ()) -> str:
    """`rows` under `header`, columns aligned by spaces; the columns numbered in `right` are set flush right."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
    return "\n".join(line.rstrip() for line in lines)


class Step:
    """A line of the work being done: a name, a growing clock, then one line of summary."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.summary = ""
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the step began."""
        return time.monotonic() - self._began

    def note(self, text: str) -> None:
        """Replaces the live line's text: what is going on right now."""
        self.summary = text

    def done(self, summary: str) -> None:
        """What the finished line says."""
        self.summary = summary


@contextmanager
def step(name: str) -> Iterator[Step]:
    """Shows `name` with a spinner and a clock while its body runs; leaves one line with its summary and time.

    Without a terminal only the finished line is printed, so that a log reads the same without the motion.
    """
    current = Step(name)
    if sys.stderr.isatty():
        from rich.console import Console  # noqa: PLC0415 - rich is imported for a terminal alone
        from rich.live import Live  # noqa: PLC0415
        from rich.spinner import Spinner  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        class _Line:
            def __rich__(self) -> Spinner:
                return Spinner("dots", Text(f"{name:<22} {current.seconds:6.1f} s  {current.summary}"))

        with Live(_Line(), console=Console(stderr=True), transient=True, refresh_per_second=8):
            yield current
    else:
        yield current
    say(f"  {name:<22} {current.seconds:6.1f} s  {current.summary}")
