"""What a server has counted, read when it has counted it: a moment after the answers have gone out."""

from __future__ import annotations

import re
import time
import urllib.request
from typing import TYPE_CHECKING

from clients import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from tritonkit.server import TritonServer

QUIET_SECONDS = 0.5


def eventually(question: Callable[[], bool], seconds: float = 60.0) -> None:
    """Waits until the answer is yes, however busy the machine."""
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.02)


def executions(server: TritonServer, model: str) -> int:
    """How often `model` was executed, once the figure stands still."""
    with Client(server.http_url, timeout=60.0) as client:
        count, since = -1, time.monotonic()
        while time.monotonic() < since + QUIET_SECONDS:
            now = client.statistics(model)[0].executions
            if now != count:
                count, since = now, time.monotonic()
            time.sleep(0.05)
    return count


def waiting(server: TritonServer, model: str) -> int:
    """How many requests for `model` wait in its queue."""
    with urllib.request.urlopen(server.metrics_url, timeout=60) as answer:
        text = answer.read().decode()
    found = re.search(rf'^nv_inference_pending_request_count{{model="{model}",.*}} (\d+)', text, re.MULTILINE)
    return int(found.group(1)) if found else 0
