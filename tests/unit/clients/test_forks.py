"""A fork while another thread holds the client's locks."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest

from clients import Client
from clients.testing import FakeModel, FakeTransport

MODEL = FakeModel(inputs={"x": ("FP32", (1,))}, outputs={"y": ("FP32", (1,))}, answer=lambda i: {"y": i["x"]})


# Python 3.12 warns of every fork with threads about; that one may fork all the same is what is tested.
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_does_not_inherit_a_held_lock() -> None:
    client = Client(["grpc://a", "grpc://b"], transport=FakeTransport({"m": MODEL}))
    x = {"x": np.ones(1, np.float32)}
    client.infer("m", x)
    attempts = client._plans.attempts
    with attempts.counters.lock, attempts.replicas.lock, attempts._budget.lock, client.lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if client.infer("m", x)["y"] == 1 else 1)
        for _ in range(2000):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                break
            time.sleep(0.02)
        else:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError("the child is stuck")
    assert status == 0
    assert client.infer("m", x)["y"] == 1
