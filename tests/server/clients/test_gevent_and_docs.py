"""One client in a process that gevent has patched, as a Locust process is; and the code of the documentation."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import clients

if TYPE_CHECKING:
    from tritonkit.server import TritonServer

pytestmark = pytest.mark.server

CODE = """
from gevent import monkey
monkey.patch_all()
import sys
import gevent
import numpy as np
from clients import Client, DeadlineError

with Client(sys.argv[1], timeout=120) as client:
    def call(number):
        row = np.full((1, 4), number, np.float32)
        return client.infer("echo", {"x": row})["y"].tolist() == row.tolist()

    jobs = [gevent.spawn(call, number) for number in range(100)]
    gevent.joinall(jobs, raise_error=True)
    assert all(job.value for job in jobs)

    # One greenlet that waits for the server does not hold up the others.
    slow = gevent.spawn(client.infer, "sleep", {"x": np.array([[3.0]], np.float32)})
    gevent.sleep(0.1)
    assert call(7) and not slow.ready()
    slow.get()
    try:
        client.infer("sleep", {"x": np.array([[0.5]], np.float32)}, timeout=0.1)
    except DeadlineError:
        pass
    else:
        raise AssertionError("no deadline under gevent")
"""


def test_a_client_under_gevent(server: TritonServer) -> None:
    pytest.importorskip("gevent", reason="gevent comes with Locust")
    root = Path(clients.__file__).parent.parent
    command = [sys.executable, "-c", CODE, server.http_url]
    done = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_the_documentations_example_of_a_fake_transport() -> None:
    text = (Path(clients.__file__).parent.parent / "docs" / "clients.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (example,) = (block for block in blocks if "FakeTransport" in block)
    check = 'import numpy as np\nassert client.infer("double", {"x": np.ones((1, 2), np.float32)}).attempts == 2\n'
    exec(compile(example + check, "docs/clients.md", "exec"), {})  # our own documentation
