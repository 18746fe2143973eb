"""A port for a program that cannot choose one itself."""

from __future__ import annotations

import random
import socket

# Below those from which the kernel serves whoever asks for port 0, so that no other process is given it meanwhile.
_RANGE = (10000, 32000)


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    while True:
        port = random.randrange(*_RANGE)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
