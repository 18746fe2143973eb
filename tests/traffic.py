"""Steady requests to a live server over both protocols, every one of them accounted for."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np

from clients import Client, ClientError, Retry
from tests.candidates import NAME, Marks, marks_of, picture

if TYPE_CHECKING:
    from tritonkit.server import TritonServer

RATE = 50.0
"""Requests a second, over both protocols together."""


@dataclass(slots=True)
class Traffic:
    """Half of the requests over gRPC, half over HTTP, each at its own time whatever becomes of the others.

    The clients do not repeat a failed call: one that fails shows.
    """

    server: TritonServer
    seen: list[tuple[float, str, Marks]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    _ending: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        for protocol, url in (("grpc", self.server.grpc_url), ("http", self.server.http_url)):
            # Two threads a protocol, so that one slow answer does not hold up the next request.
            self._threads += [
                threading.Thread(target=self._ask, args=(protocol, url, turn), daemon=True) for turn in range(2)
            ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(120)

    def forget(self) -> None:
        """Drops what was answered so far, mixed answers excepted."""
        self.failed += self.complaints()[len(self.failed) :]
        self.seen = []

    def wait_for(self, mark: int, *, seconds: float = 120.0) -> float:
        """Waits until both protocols have answered with `mark`; returns when the second of them first did."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            firsts = {}
            for moment, protocol, marks in list(self.seen):
                if marks.model == mark:
                    firsts.setdefault(protocol, moment)
            if len(firsts) == 2:
                return max(firsts.values())
            time.sleep(0.01)
        raise AssertionError(f"no answer with mark {mark} within {seconds} s; failed: {self.failed[:3]}")

    def complaints(self) -> list[str]:
        """What went wrong: requests that failed, answers that more than one version had a hand in."""
        mixed = [f"mixed: {marks}" for _, _, marks in self.seen if len({*_values(marks)}) != 1]
        return self.failed + mixed

    def _ask(self, protocol: str, url: str, turn: int) -> None:
        interval = len(self._threads) / RATE
        due = time.monotonic() + turn * interval / 2
        image = np.array([[picture()]], dtype=object)
        with Client(url, timeout=60.0, retry=Retry(attempts=1)) as client:
            while not self._ending.wait(max(0.0, due - time.monotonic())):
                due += interval
                try:
                    marks = marks_of(client.infer(NAME, {"image": image}))
                except ClientError as error:
                    self.failed.append(f"{protocol}: {error}")
                else:
                    self.seen.append((time.monotonic(), protocol, marks))


def _values(marks: Marks) -> tuple[int, int, int]:
    return marks.preprocess, marks.model, marks.postprocess
