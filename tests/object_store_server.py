"""A real S3 server in a process of its own, on loopback."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.free_port import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
}
BUCKET = "models"
START_SECONDS = 240.0


@contextmanager
def object_store_server() -> Iterator[str]:
    """Yields `s3://http://127.0.0.1:PORT/models`, a bucket that is there."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _make_bucket(f"http://127.0.0.1:{port}/{BUCKET}", server)
        yield f"s3://http://127.0.0.1:{port}/{BUCKET}"
    finally:
        server.kill()
        server.wait()


def _make_bucket(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=30).close()
            return
        except urllib.error.URLError:
            assert server.poll() is None, f"the S3 server ended with status {server.returncode}"
            assert time.monotonic() < deadline, "the S3 server did not start"
            time.sleep(0.1)
