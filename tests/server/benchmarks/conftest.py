"""A real Triton with models that do little, for load tests of the load test."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from benchmarks import LoadPlan
from tritonkit.server import ServerOptions, TritonServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_MODEL = """
import time
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        time.sleep({seconds})
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor("y", pb_utils.get_input_tensor_by_name(r, "x").as_numpy())])
            for r in requests
        ]
"""
_TENSORS = 'input [{ name: "x" data_type: TYPE_FP32 dims: [4] }] output [{ name: "y" data_type: TYPE_FP32 dims: [4] }]'
_ENSEMBLE = """
    platform: "ensemble" max_batch_size: 64
    ensemble_scheduling { step [
        { model_name: "identity" model_version: -1 input_map { key: "x" value: "x" }
          output_map { key: "y" value: "middle" } },
        { model_name: "second" model_version: -1 input_map { key: "x" value: "middle" } output_map { key: "y" value: "y" } }
    ] }
"""


def _write_models(repository: Path) -> None:
    python = 'backend: "python" instance_group [{ kind: KIND_CPU }]'
    bounded = "dynamic_batching { default_queue_policy { max_queue_size: 2 } }"
    models = {
        "identity": (f"{python} max_batch_size: 64 dynamic_batching {{}}", 0.0),
        "second": (f"{python} max_batch_size: 64 dynamic_batching {{}}", 0.0),
        "slow": (f"{python} max_batch_size: 1 {bounded}", 0.2),
        "both": (_ENSEMBLE, None),
    }
    for name, (config, seconds) in models.items():
        (repository / name / "1").mkdir(parents=True)
        (repository / name / "config.pbtxt").write_text(f'name: "{name}" {textwrap.dedent(config)} {_TENSORS}')
        code = "" if seconds is None else _MODEL.format(seconds=seconds)
        (repository / name / "1" / ("model.py" if code else "readme.txt")).write_text(code or "an ensemble\n")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """One server for the module's tests, which leave it as they found it."""
    repository = tmp_path_factory.mktemp("repository")
    _write_models(repository)
    with TritonServer(ServerOptions(repository)) as running:
        yield running


@pytest.fixture
def plan_for(server: TritonServer) -> Callable[..., LoadPlan]:
    """Short plans for that server."""

    def plan(model: str, **fields: object) -> LoadPlan:
        short = {"seconds": 2.0, "warmup_seconds": 0.5, "ceiling_seconds": 0.0, "grpc_users": 2, "http_users": 2}
        urls = {"grpc_url": server.grpc_url, "http_url": server.http_url}
        return LoadPlan(model=model, **{**urls, **short, **fields})  # type: ignore[arg-type]

    return plan
