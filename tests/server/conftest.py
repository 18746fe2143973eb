"""Servers for tests that need a live one."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tritonkit.server import ServerOptions, TritonServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


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


@pytest.fixture
def mount_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a disk of its own, with these options of a tmpfs; it is unmounted at the end of the test."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
            pytest.skip("mounting a disk needs root and the right to mount")
        return disk

    yield mount
    if disk.is_mount():
        subprocess.run(["umount", str(disk)], check=True)


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
