"""One run of a plan inside a generator process: when it begins and ends, and where its records go."""

from __future__ import annotations

import itertools
import json
import os
import random
import time
from typing import TYPE_CHECKING, Protocol

import gevent
from gevent.event import Event

from benchmarks.arrivals import delayed, source_starts
from benchmarks.records import Ending, Reason, pack_pulse, pack_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks import plan as plans
    from benchmarks.arrivals import RateProfile
    from benchmarks.payloads import EncodedRequest

PULSE_SECONDS = 0.1


class Ledger(Protocol):
    """Takes down how each request ended."""

    def write(
        self, *, intended: float, sent: float, done: float, protocol: plans.Protocol, ending: Ending, model: int
    ) -> None:
        """One request; times on the monotonic clock, `sent` NaN if it never was; `model` is its number in the plan."""


class LoadRun:
    """What the users of one process share.

    Attributes:
        plan: what to do.
        begun: set once requests may start.
        ends_at: when the last may start, on the monotonic clock; infinite for a run without end.

    Args:
        plan: what to do.
        requests: what to send, in turn.
        ledger: where it is written down.
        sources: among how many users, of all processes, an open loop's rate is divided.
    """

    def __init__(
        self, plan: plans.LoadPlan, requests: tuple[EncodedRequest, ...], ledger: Ledger, *, sources: int
    ) -> None:
        self.plan = plan
        self.ledger = ledger
        self.begun = Event()
        self._began_at = 0.0
        self.ends_at = float("inf")
        turns = [itertools.cycle([r for r in requests if r.number == i]) for i in range(len(plan.models))]
        self._turns = turns
        self._weights = [weight for _, weight in plan.mix]
        self._rng = random.Random(f"{plan.seed}/{os.getpid()}")  # noqa: S311 - a mix, no secret
        # Correlation numbers must not meet those of another process, on whatever machine.
        self._sequences = itertools.count((random.SystemRandom().getrandbits(30) << 32) + 1)
        self._sources = sources
        self._indices = itertools.count()

    def begin(self, at: float, *, seconds: float | None) -> None:
        """Lets requests start at `at`, on the monotonic clock, and for `seconds`; for ever if `None`."""
        gevent.sleep(max(0.0, at - time.monotonic()))
        self._began_at = at
        self.ends_at = float("inf") if seconds is None else at + seconds
        self.begun.set()

    @property
    def over(self) -> bool:
        """Whether no further request may start."""
        return time.monotonic() >= self.ends_at

    def next_request(self) -> EncodedRequest:
        """The payloads of a model in turn; of a mix, of one of its models by chance."""
        if not self._weights:
            return next(self._turns[0])
        return next(self._rng.choices(self._turns, self._weights)[0])

    def next_sequence(self) -> int:
        """A correlation number that no other sequence has."""
        return next(self._sequences)

    def starts(self, *, worker: int, workers: int) -> Iterator[float]:
        """When one more source of this process must start its requests, on the monotonic clock, until the end.

        The sources share the plan's rate evenly; of even spacing each takes its own phase.
        """
        index = next(self._indices) * workers + worker
        for start in self._schedule(index):
            due = self._began_at + start
            if due >= self.ends_at:
                return
            yield due

    def _schedule(self, index: int) -> Iterator[float]:
        """Seconds from the beginning of the warm-up at which source number `index` has a request due."""
        plan = self.plan
        if plan.rate is not None:
            yield from self._at_rate(delayed(plan.rate, plan.warmup_seconds), index)
        elif plan.trace:
            mean = ((0.0, len(plan.trace) / plan.seconds),)
            yield from itertools.takewhile(lambda start: start < plan.warmup_seconds, self._at_rate(mean, index))
            yield from (plan.warmup_seconds + at for at in plan.trace[index :: self._sources])

    def _at_rate(self, profile: RateProfile, index: int) -> Iterator[float]:
        return source_starts(
            profile, spacing=self.plan.spacing, seed=self.plan.seed, index=index, sources=self._sources
        )


class FileLedger:
    """Records, pulses and the first message of each reason, in files of this process below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pending = bytearray()
        self._messages: dict[str, str] = {}

    def write(
        self, *, intended: float, sent: float, done: float, protocol: plans.Protocol, ending: Ending, model: int
    ) -> None:
        """See `Ledger.write`."""
        self._pending += pack_record(
            intended=intended, sent=sent, done=done, protocol=protocol, ending=ending, model=model
        )
        if ending.reason is not Reason.ANSWERED:
            self._messages.setdefault(ending.reason.label, ending.message)

    def flush(self) -> None:
        """Brings what is pending to the disk."""
        pending, self._pending = self._pending, bytearray()
        self._append("records", pending)
        if self._messages:
            (self._folder / f"messages-{os.getpid()}.json").write_text(json.dumps(self._messages), encoding="utf-8")

    def pulse(self, lag: float) -> None:
        """Notes the CPU used so far, and how late this process ran its own timer."""
        self._append("pulses", pack_pulse(time.monotonic(), time.process_time(), lag))

    def _append(self, kind: str, content: bytes | bytearray) -> None:
        with (self._folder / f"{kind}-{os.getpid()}.bin").open("ab") as file:
            file.write(content)


def keep_pulse(ledger: FileLedger) -> None:
    """Flushes and notes a pulse for ever; ends the process when the one that started it is gone."""
    parent = os.getppid()
    while os.getppid() == parent:
        due = time.monotonic() + PULSE_SECONDS
        gevent.sleep(PULSE_SECONDS)
        ledger.flush()
        ledger.pulse(time.monotonic() - due)
    os._exit(1)
