"""Servers for tests that need a live one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tritonkit.server import ServerOptions, TritonServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def start_server() -> Iterator[Callable[..., TritonServer]]:
    """Starts servers that are stopped, whatever happens, at the end of the module."""
    started: list[TritonServer] = []

    def start(options: ServerOptions, *, ready: bool = True) -> TritonServer:
        server = TritonServer(options)
        started.append(server)
        server.start()
        if ready:
            server.wait_ready()
        return server

    yield start
    for server in started:
        server.stop()
