"""One builder at a time for each engine: a lock that the kernel gives back however its holder ends."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tritonkit.spec.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_POLL_SECONDS = 0.1


@contextmanager
def exclusive(path: Path, *, wait_seconds: float, tell: Callable[[str], None]) -> Iterator[None]:
    """Holds the lock file `path`, which it makes; waits where another process holds it, and says so once.

    Raises:
        ConflictError: it is still held after `wait_seconds`.
    """
    deadline, told = time.monotonic() + wait_seconds, False
    while (handle := _try(path)) is None:
        holder = _holder(path)
        if not told:
            tell(f"waiting for {holder}, which is building this engine")
            told = True
        if time.monotonic() > deadline:
            raise ConflictError(
                "another process has been building this engine for too long",
                where=path,
                got=f"{holder}, after {wait_seconds:.0f} s",
                hint="end it, or wait longer",
            )
        time.sleep(_POLL_SECONDS)
    try:
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        yield
    finally:
        # While it is still held: whoever opened the old file sees below that its name is gone, and makes a new one.
        path.unlink(missing_ok=True)
        os.close(handle)


def _try(path: Path) -> int | None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_ino == path.stat().st_ino:
            os.ftruncate(handle, 0)
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(handle)
    return None


def _holder(path: Path) -> str:
    try:
        return path.read_text().strip() or "another process"
    except OSError:
        return "another process"
