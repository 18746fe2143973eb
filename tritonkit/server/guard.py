"""A small parent for a server process, run as a program, that outlives the kit by exactly one clean-up.

    python -I -S guard.py      the kit writes one JSON line on its stdin, then may write `term` or `kill`

However the kit ends, by return, exception, `kill -9`, its end of that pipe closes; the guard then stops the server,
its whole process group included, and removes the shared-memory regions that a killed server leaves behind. It
imports the standard library alone and uses no thread of the kit's, so forking in it is safe.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path

POLL_SECONDS = 0.05
ORPHAN_GRACE_SECONDS = 5.0
CLEAN_UP_SECONDS = 30.0


def main() -> int:
    """Runs the command that the first line of stdin describes, until it ends or the kit goes away."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.set_blocking(0, True)
    request = json.loads(_read_line())
    with Path(request["log_path"]).open("ab", buffering=0) as log:
        child = subprocess.Popen(
            request["command"],
            env=request["environment"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=_default_signals,  # noqa: PLW1509 - this process has a single thread
        )
    _say(f"pid {child.pid}")
    try:
        _watch(child)
    finally:
        _kill_group(child)
        child.wait()
        if request["clean_up"]:
            _clean_up(request["clean_up"], request["environment"])
        for region in Path("/dev/shm").glob(f"{request['shared_memory_prefix']}*"):  # noqa: S108 - POSIX shared memory lives there
            region.unlink(missing_ok=True)
    _say(f"exit {child.returncode}")
    return 0


def _watch(child: subprocess.Popen[bytes]) -> None:
    """Returns when the child has ended or must be killed."""
    deadline: float | None = None
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        listening = True
        while child.poll() is None:
            if deadline is not None and time.monotonic() > deadline:
                return
            if not listening:
                time.sleep(POLL_SECONDS)
                continue
            if selector.select(POLL_SECONDS):
                command = _read_line()
                if command == "kill":
                    return
                child.send_signal(signal.SIGTERM)
                if not command:
                    listening = False
                    deadline = time.monotonic() + ORPHAN_GRACE_SECONDS


def _clean_up(command: list[str], environment: dict[str, str]) -> None:
    """What the end of the child leaves: a container outlives its client's `kill -9`."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(command, env=environment, capture_output=True, timeout=CLEAN_UP_SECONDS, check=False)


def _default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def _read_line() -> str:
    """One line of stdin without its end; empty when the kit has gone. Unbuffered, so that `select` sees the rest."""
    line = bytearray()
    while (byte := os.read(0, 1)) not in {b"", b"\n"}:
        line += byte
    return line.decode()


def _say(text: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(1, f"{text}\n".encode())


if __name__ == "__main__":
    sys.exit(main())
