"""Servers for tests that need a live one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tritonkit.server import ServerOptions, TritonServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def start_server() -> Iterator[Callable[..., TritonServer]]:
    """Starts servers that are stopped, whatever happens, at the end of the module."""
    with _servers() as start:
        yield start


@pytest.fixture
def start_for_test() -> Iterator[Callable[..., TritonServer]]:
    """Starts servers that are stopped, whatever happens, at the end of the test."""
    with _servers() as start:
        yield start


@contextlib.contextmanager
def _servers() -> Iterator[Callable[..., TritonServer]]:
    started: list[TritonServer] = []

    def start(options: ServerOptions, *, ready: bool = True) -> TritonServer:
        server = TritonServer(options)
        started.append(server)
        server.start()
        if ready:
            server.wait_ready()
        return server

    try:
        yield start
    finally:
        for server in started:
            # Stopping takes seconds, which the tests of stopping spend themselves.
            server.kill()
