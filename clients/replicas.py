"""Which server the next attempt goes to: round robin over those in good standing. No I/O.

A server that goes away, or fails several times in a row, is ejected for a while; then one call tries it
again. The last server in good standing is never ejected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .forks import guard

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection

    from .options import Breaker


@dataclass(slots=True)
class _Standing:
    """How one server has done lately."""

    failures: int = 0
    open_until: float = 0.0  # 0: in good standing
    open_for: float = 0.0
    on_trial: bool = False


class Replicas:
    """The standing of each of `count` servers; safe under threads.

    Args:
        count: how many servers there are; they are known by their position.
        breaker: when a server is ejected; None never ejects.
        protect_last: whether the last server in good standing stays, however it fails.
        clock: monotonic seconds.
    """

    def __init__(self, count: int, *, breaker: Breaker | None, protect_last: bool, clock: Callable[[], float]) -> None:
        self._standings = [_Standing() for _ in range(count)]
        self._breaker = breaker
        self._protect_last = protect_last
        self._clock = clock
        self.lock: threading.Lock
        guard(self)
        self._next = 0

    def pick(self, tried: Collection[int] = ()) -> int | None:
        """The server for the next attempt, one not in `tried` if possible; None if every circuit is open."""
        if len(self._standings) == 1 and self._breaker is None:
            return 0
        with self.lock:
            now = self._clock()
            count = len(self._standings)
            order = [(self._next + step) % count for step in range(count)]
            self._next = (self._next + 1) % count
            usable = [index for index in order if self._usable(self._standings[index], now)]
            chosen = next((index for index in usable if index not in tried), usable[0] if usable else None)
            if chosen is not None and self._standings[chosen].open_until:
                self._standings[chosen].on_trial = True
            return chosen

    def another(self, tried: Collection[int]) -> bool:
        """Whether a server in good standing has not been tried."""
        with self.lock:
            return any(not standing.open_until and index not in tried for index, standing in enumerate(self._standings))

    def backup(self, index: int) -> int:
        """The server for a hedged second request: another in good standing if there is one."""
        count = len(self._standings)
        others = ((index + step) % count for step in range(1, count))
        return next((other for other in others if not self._standings[other].open_until), index)

    def succeeded(self, index: int) -> None:
        """The server answered, well or badly: it is there."""
        standing = self._standings[index]
        if standing.failures or standing.open_until:
            with self.lock:
                self._standings[index] = _Standing()

    def failed(self, index: int, *, leaving: bool) -> bool:
        """The server failed; `leaving` says that it is gone or going. Returns whether it is ejected now."""
        if self._breaker is None:
            return False
        with self.lock:
            standing = self._standings[index]
            standing.failures += 1
            standing.on_trial = False
            if not (leaving or standing.open_until or standing.failures >= self._breaker.failures):
                return False
            if self._protect_last and not any(
                not other.open_until for other in self._standings if other is not standing
            ):
                return False
            doubled = standing.open_for * 2 if standing.open_until else self._breaker.open_for
            standing.open_for = min(self._breaker.max_open_for, doubled)
            standing.open_until = self._clock() + standing.open_for
            return True

    def released(self, index: int) -> None:
        """An attempt ended without a verdict on the server: it was cancelled."""
        self._standings[index].on_trial = False

    @staticmethod
    def _usable(standing: _Standing, now: float) -> bool:
        return not standing.open_until or (now >= standing.open_until and not standing.on_trial)
