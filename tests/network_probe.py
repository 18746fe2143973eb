"""A stage that looks around for a network."""

from __future__ import annotations

import contextlib
import socket

from tritonkit.spec.document import Document


class Empty(Document):
    """Nothing to be told."""


class Seen(Document):
    """What there is."""

    interfaces: list[str]
    loopback: bool
    world: bool


def probe(request: Empty, inputs: dict, out: object) -> Seen:
    """Looks for interfaces, for loopback and for a way out."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        loopback = _reaches(listener.getsockname())
    # A documentation address: nobody answers, but without a route the refusal comes at once.
    return Seen(
        interfaces=[name for _, name in socket.if_nameindex()], loopback=loopback, world=_reaches(("192.0.2.1", 9))
    )


def _reaches(address) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(address, timeout=1):
        return True
    return False
