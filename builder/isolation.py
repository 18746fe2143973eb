"""A stage's process without a network: what a build does may depend on its inputs alone.

Linux only: a network namespace of its own, with nothing in it but loopback, which a local server needs.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path

# <linux/sched.h>, <linux/sockios.h> and <linux/if.h>.
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_SET_FLAGS = 0x8914
_UP_AND_RUNNING = 0x1 | 0x40


def cut_network() -> str | None:
    """Leaves this process, and all that it starts, with loopback alone; to be called before any thread exists.

    Returns:
        Why it could not be done, or `None`. Containers may forbid it; a build does not fail for that.
    """
    user, group = os.geteuid(), os.getegid()
    if not hasattr(ctypes.CDLL(None), "unshare"):
        return "this system has no network namespaces"
    if _unshare(_NEW_NETWORK) != 0:
        # Without privileges a namespace of users comes first, in which this one is who it was.
        if (error := _unshare(_NEW_USER | _NEW_NETWORK)) != 0:
            return os.strerror(error)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user} {user} 1")
        _write("/proc/self/gid_map", f"{group} {group} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, _SET_FLAGS, struct.pack("16sh22x", b"lo", _UP_AND_RUNNING))
    return None


def _unshare(flags: int) -> int:
    """0, or the error's number."""
    library = ctypes.CDLL(None, use_errno=True)
    return 0 if library.unshare(flags) == 0 else ctypes.get_errno()


def _write(path: str, text: str) -> None:
    Path(path).write_text(text, encoding="ascii")
