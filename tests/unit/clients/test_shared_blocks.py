"""Memory that the machine does not have: an error of the client's own, and nothing left behind."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from clients import Client, InvalidRequestError
from clients.shared_blocks import BLOCKS, SystemBlock
from clients.testing import FakeModel, FakeTransport

MODEL = FakeModel(inputs={"x": ("FP32", (1,))}, outputs={"y": ("FP32", (1,))}, answer=lambda i: {"y": i["x"]})
SHM = Path("/dev/shm")

pytestmark = pytest.mark.skipif(not SHM.is_dir(), reason="POSIX shared memory appears here on Linux")


def no_gpu() -> bool:
    runtime = pytest.importorskip("cuda.bindings.runtime", reason="CUDA's shared memory needs cuda-python")
    return bool(runtime.cudaGetDeviceCount()[0])


def test_more_than_there_is() -> None:
    room = os.statvfs(SHM)
    before = set(SHM.iterdir())
    with pytest.raises(OSError, match="No space"):
        SystemBlock((room.f_blocks + 1) * room.f_frsize)
    assert not [path for path in set(SHM.iterdir()) - before if f"_{os.getpid()}_" in path.name]


def test_a_block_keeps_what_is_written() -> None:
    block = SystemBlock(4096)
    try:
        block.write(64, b"abc")
        assert block.read(63, 5) == b"\0abc\0"
        assert (SHM / block.name).stat().st_blocks * 512 >= 4096, "set aside"
    finally:
        block.free()
    assert not (SHM / block.name).exists()


def test_system_memory_that_is_refused_is_the_clients_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(size: int) -> SystemBlock:
        raise OSError(28, f"No space left on device for {size} bytes")

    monkeypatch.setitem(BLOCKS, "system", refuse)
    client = Client("grpc://fake", transport=FakeTransport({"m": MODEL}), shared_memory="system")
    with pytest.raises(InvalidRequestError, match=r"no such shared memory.*No space.*/dev/shm"):
        client.infer("m", {"x": np.ones(1, np.float32)})


def test_gpu_memory_without_a_gpu_is_the_clients_own_error() -> None:
    if not no_gpu():
        pytest.skip("this machine has a GPU")
    client = Client("grpc://fake", transport=FakeTransport({"m": MODEL}), shared_memory="cuda")
    with pytest.raises(InvalidRequestError, match=r"CUDA.*needs a GPU"):
        client.infer("m", {"x": np.ones(1, np.float32)})
