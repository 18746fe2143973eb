"""A publisher that is killed at a step of its work: run as a program, one JSON request a line on stdin.

    {"arguments": ["publish", …], "step": 12}      SIGKILL right before its twelfth change to a file system
    {"arguments": ["publish", …], "after": 0.03}   SIGKILL after that many seconds, wherever it is
    {"arguments": ["publish", …]}                  no kill

It answers with one line, {"status": …, "steps": …}: the exit status, negative for a signal, and how many changes there
were, where it lived to tell. Each publisher is a fork, so that a thousand of them do not import everything again.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time

from tritonkit.commands import prune, publish, rollback  # noqa: F401 - imported before the forks
from tritonkit.commands.front_door import main

CHANGES = frozenset({"os.mkdir", "os.rename", "os.remove", "os.rmdir"})
WRITING = os.O_WRONLY | os.O_RDWR


def _publish(request: dict, told: int) -> None:
    """The child's side; does not return."""
    steps = 0

    def count(event: str, arguments: tuple) -> None:
        nonlocal steps
        if event in CHANGES or (event == "open" and arguments[2] & WRITING):
            steps += 1
            if steps == request.get("step"):
                os.kill(os.getpid(), signal.SIGKILL)

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.addaudithook(count)
    status = main(request["arguments"])
    os.write(told, str(steps).encode())
    os._exit(status)


def _run(request: dict) -> dict:
    reading, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _publish(request, told)
        finally:
            os._exit(99)
    os.close(told)
    if "after" in request:
        time.sleep(request["after"])
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading) as pipe:
        steps = pipe.read()
    _, status = os.waitpid(child, 0)
    return {"status": os.waitstatus_to_exitcode(status), "steps": int(steps or 0)}


if __name__ == "__main__":
    assert threading.active_count() == 1
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line))), flush=True)
