"""One server process under its guard: started, watched, stopped within a budget, never left behind."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from tritonkit.spec.errors import UnavailableError

_GUARD = Path(__file__).with_name("guard.py")
START_TIMEOUT_SECONDS = 20.0
KILL_TIMEOUT_SECONDS = 10.0
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - POSIX shared memory lives there


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A command ready to run.

    Attributes:
        command: argv. It holds the restricted APIs' key, which tritonserver takes in no other way.
        environment: the variables of the new process, all of them.
        log_path: the file that takes its output.
        shared_memory_prefix: how the names of its regions in shared memory begin.
        started: the log's lines that say that it listens.
        clean_up: a command to run when it has ended; empty for none.
    """

    command: tuple[str, ...]
    environment: dict[str, str]
    log_path: Path
    shared_memory_prefix: str
    started: frozenset[str]
    clean_up: tuple[str, ...] = ()


class ServerProcess:
    """The process group of one `Launch`, alive until `stop` or until this process ends, however it ends."""

    def __init__(self, launch: Launch) -> None:
        launch.log_path.parent.mkdir(parents=True, exist_ok=True)
        # The request goes through the pipe, so that the key stands in no command line of the kit's.
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_GUARD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._exit_code: int | None = None
        self._ended = threading.Event()
        self._pid_known = threading.Event()
        self._pid: int | None = None
        self._send(
            json.dumps(
                {
                    "command": launch.command,
                    "environment": launch.environment,
                    "log_path": str(launch.log_path),
                    "shared_memory_prefix": launch.shared_memory_prefix,
                    "clean_up": launch.clean_up,
                }
            )
        )
        threading.Thread(target=self._listen, name="tritonkit-server-guard", daemon=True).start()
        if not self._pid_known.wait(START_TIMEOUT_SECONDS) or self._pid is None:
            self.kill()
            raise UnavailableError("the server process cannot be started", where=launch.command[0])

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self._pid is not None  # noqa: S101 - the constructor does not return without it
        return self._pid

    @property
    def exit_code(self) -> int | None:
        """The exit status, negative for a signal; `None` while it runs."""
        return self._exit_code if self._ended.is_set() else None

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return not self._ended.is_set()

    def wait(self, timeout: float) -> bool:
        """Waits up to `timeout` seconds for the end, and says whether it came."""
        return self._ended.wait(timeout)

    def terminate(self) -> None:
        """Asks the server to stop (SIGTERM)."""
        self._send("term")

    def kill(self) -> None:
        """Ends the whole group at once and waits until it is gone."""
        self._send("kill")
        if not self._ended.wait(KILL_TIMEOUT_SECONDS):
            self._guard.kill()
        self._close()

    def stop(self, budget_seconds: float) -> int:
        """SIGTERM, then SIGKILL to the group once `budget_seconds` are over; returns the exit status."""
        self.terminate()
        if not self._ended.wait(budget_seconds):
            self.kill()
        self._close()
        return -9 if self._exit_code is None else self._exit_code

    def _listen(self) -> None:
        assert self._guard.stdout is not None  # noqa: S101 - it was opened as a pipe
        for line in self._guard.stdout:
            word, _, number = line.decode().strip().partition(" ")
            if word == "pid":
                self._pid = int(number)
                self._pid_known.set()
            elif word == "exit":
                self._exit_code = int(number)
        self._guard.stdout.close()
        self._guard.wait()
        self._pid_known.set()
        self._ended.set()

    def _send(self, line: str) -> None:
        assert self._guard.stdin is not None  # noqa: S101 - it was opened as a pipe
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._guard.stdin.write(f"{line}\n".encode())
            self._guard.stdin.flush()

    def _close(self) -> None:
        assert self._guard.stdin is not None  # noqa: S101 - it was opened as a pipe
        with contextlib.suppress(BrokenPipeError):
            self._guard.stdin.close()
        self._ended.wait(KILL_TIMEOUT_SECONDS)


def new_shared_memory_prefix() -> str:
    """A prefix for one server's regions, which names the process that answers for them."""
    return f"tritonkit-{os.getpid()}-{secrets.token_hex(4)}-"


def stale_regions() -> tuple[Path, ...]:
    """The regions of servers whose kit process is gone, guard and all."""
    if not SHARED_MEMORY.exists():
        return ()
    owners = {region: region.name.split("-")[1] for region in SHARED_MEMORY.glob("tritonkit-*-*-*")}
    return tuple(region for region, owner in owners.items() if owner.isdigit() and not Path(f"/proc/{owner}").exists())


def remove_stale_regions() -> None:
    """Removes them; what belongs to another user stays."""
    for region in stale_regions():
        with contextlib.suppress(OSError):
            region.unlink()


def remove_regions(prefix: str) -> None:
    """Removes what a server whose guard was killed left in shared memory."""
    for region in SHARED_MEMORY.glob(f"{prefix}*"):
        region.unlink(missing_ok=True)
