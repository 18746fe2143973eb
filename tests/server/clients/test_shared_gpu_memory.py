"""Tensors through GPU memory that client and server share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from clients import Client

if TYPE_CHECKING:
    from tritonkit.server import TritonServer

pytestmark = [pytest.mark.server, pytest.mark.gpu]


def test_gpu_memory(server: TritonServer, protocol: str, url: str) -> None:
    pytest.importorskip("cuda.bindings.runtime", reason="CUDA's shared memory needs cuda-python")
    with Client(url, shared_memory="cuda") as client:
        for size in (4, 100_000, 7):
            array = np.random.default_rng(size).random(size, dtype=np.float32)
            assert client.infer("wide", {"x": array})["y"].tolist() == array.tolist()
