"""Implicit state of sequences, kept here because a Python backend cannot hand it to Triton's own store."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from ort_batching import Feed

START = 1
END = 2
DEFAULT_IDLE_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class State:
    """One state of a sequence model: what goes out as `output` comes in as `input` next time."""

    input: str
    output: str


@dataclass(slots=True)
class _Sequence:
    values: Feed
    last_used: float


@dataclass(slots=True, kw_only=True)
class StateStore:
    """The states of every live sequence of one instance, by correlation id.

    Triton tells a Python backend neither that a sequence has expired nor that it was ended elsewhere. So a
    sequence that was idle for twice `max_sequence_idle_microseconds` is forgotten: once that time is over, Triton
    refuses a continuation; the second is for requests that waited in its queue meanwhile.
    """

    states: tuple[State, ...]
    idle_seconds: float
    clock: Callable[[], float] = time.monotonic
    _sequences: dict[int | str, _Sequence] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._sequences)

    def fill(self, feed: Feed, correlation: int | str, flags: int) -> None:
        """Puts the sequence's state into `feed`; at its start the initial values that Triton put there stay."""
        if flags & START:
            self._sequences.pop(correlation, None)
            return
        known = self._sequences.get(correlation)
        if known is not None:
            feed.update(known.values)

    def keep(self, outputs: Mapping[str, np.ndarray[Any, Any]], correlation: int | str, flags: int) -> None:
        """Remembers the state that came out, or forgets the sequence at its end."""
        if flags & END:
            self._sequences.pop(correlation, None)
            return
        # A copy: the arrays are views of a batch's answer, which would stay in memory as a whole.
        values = {state.input: outputs[state.output].copy() for state in self.states}
        self._sequences[correlation] = _Sequence(values, self.clock())

    def forget_idle(self) -> None:
        """Forgets the sequences that were idle for too long."""
        oldest = self.clock() - 2 * self.idle_seconds
        expired = [name for name, sequence in self._sequences.items() if sequence.last_used < oldest]
        for name in expired:
            del self._sequences[name]


def state_store(config: Mapping[str, Any]) -> StateStore | None:
    """The store of a model configuration; `None` without implicit state."""
    batching = config.get("sequence_batching", {})
    entries: Sequence[Mapping[str, Any]] = batching.get("state", ())
    if not entries:
        return None
    idle = int(batching.get("max_sequence_idle_microseconds", 0)) or DEFAULT_IDLE_MICROSECONDS
    return StateStore(
        states=tuple(State(entry["input_name"], entry["output_name"]) for entry in entries),
        idle_seconds=idle / 1e6,
    )
