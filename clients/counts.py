"""What a client has done so far, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from .forks import guard

if TYPE_CHECKING:
    import threading


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Totals since the client was made.

    Attributes:
        calls: inferences that passed the client's own checks and have ended.
        attempts: requests sent for them, retries and hedges included.
        retries: attempts after the first.
        hedges: second requests sent because the first was slow.
        rejections: attempts that a server refused because its queue was full. Triton counts these in none of its own
            metrics.
        failures: calls that ended in an error.
        unbudgeted: retries that the budget did not allow.
        ejections: times that a server was left alone because it failed.
    """

    calls: int = 0
    attempts: int = 0
    retries: int = 0
    hedges: int = 0
    rejections: int = 0
    failures: int = 0
    unbudgeted: int = 0
    ejections: int = 0


class Counters:
    """Counts up; safe under threads."""

    def __init__(self) -> None:
        self._totals = {field.name: 0 for field in fields(Counts)}
        self.lock: threading.Lock
        guard(self)

    def add(self, *names: str) -> None:
        """Adds one to each of `names`."""
        with self.lock:
            for name in names:
                self._totals[name] += 1

    def call_ended(self, attempts: int, *, failed: bool) -> None:
        """An inference ended after `attempts`."""
        totals = self._totals
        with self.lock:
            totals["calls"] += 1
            totals["attempts"] += attempts
            if attempts > 1:
                totals["retries"] += attempts - 1
            if failed:
                totals["failures"] += 1

    def read(self) -> Counts:
        """The totals now."""
        with self.lock:
            return Counts(**self._totals)
