"""The load generator as a child: Locust on `locustfile.py`, told what to do through a folder, never left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.payloads import save_requests
from benchmarks.plan import plan_to_json
from benchmarks.records import PULSE, RECORD, read_rows
from tritonkit.spec.errors import KitError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from benchmarks.payloads import EncodedRequest
    from benchmarks.plan import LoadPlan

    Rows = np.ndarray[tuple[int], np.dtype[np.void]]

_LOCUSTFILE = Path(__file__).with_name("locustfile.py")
_READY_SECONDS = 180.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.05
# What processes need between hearing when to begin and beginning.
_NOTICE_SECONDS = 0.1


class Generator:
    """A running generator, between `start_generator` and the end of its `with` block."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, plan: LoadPlan) -> None:
        self._process = process
        self._folder = folder
        self._plan = plan

    def wait_ready(self) -> None:
        """Waits until every process has its users.

        Raises:
            KitError: it ended before, or took too long.
        """
        self._wait(lambda: len(self._files("ready-*")) == self._plan.processes, _READY_SECONDS, "get ready")

    def begin(self) -> float:
        """Lets the warm-up begin, and returns when, on the monotonic clock."""
        began = time.monotonic() + _NOTICE_SECONDS
        draft = self._folder / "begin.draft"
        draft.write_text(repr(began))
        draft.rename(self._folder / "begin")
        return began

    def wait_until(self, moment: float, watch: Callable[[], None]) -> None:
        """Calls `watch` now and then until `moment`, on the monotonic clock.

        Raises:
            KitError: the generator ended meanwhile.
        """
        while (left := moment - time.monotonic()) > 0:
            self._check_alive()
            watch()
            time.sleep(min(0.25, left))

    def wait_done(self) -> None:
        """Waits until the last answer has come, or its deadline has passed.

        Raises:
            KitError: the generator ended before, or took too long.
        """
        # In an open loop, what waits for a place at the end has one deadline, and what is then sent another.
        limit = 2 * self._plan.deadline_seconds + 60
        self._wait(lambda: len(self._files("done-*")) == self._plan.processes, limit, "finish")

    def requests_so_far(self) -> int:
        """How many requests have ended, warm-up included."""
        return sum(path.stat().st_size for path in self._files("records-*")) // RECORD.itemsize

    def records(self) -> Rows:
        """All records, of all processes."""
        return read_rows(self._files("records-*"), RECORD)

    def pulses(self) -> dict[int, Rows]:
        """The pulses of each process, by its process id."""
        return {int(path.stem.partition("-")[2]): read_rows([path], PULSE) for path in self._files("pulses-*")}

    def messages(self) -> dict[str, str]:
        """The first message of each reason of failure."""
        found: dict[str, str] = {}
        for path in self._files("messages-*"):
            found |= json.loads(path.read_text(encoding="utf-8"))
        return found

    def _files(self, pattern: str) -> list[Path]:
        return sorted(self._folder.glob(pattern))

    def _wait(self, arrived: Callable[[], bool], seconds: float, what: str) -> None:
        limit = time.monotonic() + seconds
        while not arrived():
            self._check_alive()
            if time.monotonic() > limit:
                raise KitError(
                    f"the load generator did not {what} in time", got=f"over {seconds:.0f} s", hint=self._log_end()
                )
            time.sleep(_POLL_SECONDS)

    def _check_alive(self) -> None:
        if self._process.poll() is not None:
            raise KitError(
                "the load generator ended by itself", got=f"exit {self._process.returncode}", hint=self._log_end()
            )

    def _log_end(self) -> str:
        lines = (self._folder / "locust.log").read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-4:])


@contextlib.contextmanager
def start_generator(plan: LoadPlan, requests: tuple[EncodedRequest, ...]) -> Iterator[Generator]:
    """A generator for `plan`, stopped on every way out of the block.

    It leads a process group of its own, which is killed if it does not stop by itself; and it ends when this
    process has gone, however that ended.

    Raises:
        UnavailableError: Locust is not installed.
    """
    _check_locust()
    with tempfile.TemporaryDirectory(prefix="tritonkit-load-") as name:
        folder = Path(name)
        (folder / "plan.json").write_text(plan_to_json(plan), encoding="utf-8")
        save_requests(requests, folder / "requests")
        with (folder / "locust.log").open("wb") as log:
            process = subprocess.Popen(
                _command(plan),
                env={**os.environ, "TRITONKIT_LOAD_RUN": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield Generator(process, folder, plan)
        finally:
            _stop(process)


def _command(plan: LoadPlan) -> list[str]:
    users = sum(plan.users.values())
    classes = [{"grpc": "GrpcUser", "http": "HttpUser"}[protocol] for protocol in plan.users]
    command = [sys.executable, "-m", "locust", "-f", str(_LOCUSTFILE), "--headless", "--only-summary"]
    command += ["--users", str(users), "--spawn-rate", str(users)]
    if plan.processes > 1:
        port = str(_free_port())
        command += ["--processes", str(plan.processes), "--master-bind-port", port, "--master-port", port]
        command += ["--master-bind-host", "127.0.0.1"]
    return [*command, *classes]


def _free_port() -> int:
    import socket  # noqa: PLC0415 - only several processes need one

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _check_locust() -> None:
    from importlib.util import find_spec  # noqa: PLC0415 - only here

    # Found, not imported: Locust patches the standard library of whoever imports it.
    if find_spec("locust") is None:
        raise UnavailableError("Locust is not installed", hint="pip install 'tritonkit[bench]', from the checkout")


def _stop(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    # Its workers too, whatever became of their leader.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
