"""A live line on stderr that counts finished calls."""

from __future__ import annotations

import sys
import time
from collections.abc import Sized
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_EVERY_SECONDS = 0.2


class Progress:
    """Counts; shows the count on a terminal, and only its end in a log.

    Args:
        shown: whether anything is written.
        items: what is counted; its length, if it has one, is the total.
    """

    def __init__(self, items: object, *, shown: bool) -> None:
        self._shown = shown
        self._total = f"/{len(items)}" if isinstance(items, Sized) else ""
        self._done = 0
        self._began = self._written = time.monotonic()

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        now = time.monotonic()
        if self._shown and now - self._written >= _EVERY_SECONDS and sys.stderr.isatty():
            self._written = now
            sys.stderr.write(f"\r{self._line(now)}")
            sys.stderr.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._shown:
            start = "\r" if sys.stderr.isatty() else ""
            sys.stderr.write(f"{start}{self._line(time.monotonic())}\n")
            sys.stderr.flush()

    def _line(self, now: float) -> str:
        rate = self._done / max(now - self._began, 1e-9)
        return f"{self._done}{self._total} answers, {rate:,.1f} a second"
