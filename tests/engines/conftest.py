"""Real models and the real builder of TensorRT-RTX, which needs no GPU."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from builder.engines.build_engine import EngineTarget, engine_key
from builder.engines.graph import read_graph
from builder.engines.libraries import find_builder
from builder.engines.locking import exclusive
from builder.engines.profiles import batch_range, make_profile
from builder.engines.records import EngineSettings

HOUSE = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def rtx():
    """What builds engines here."""
    if importlib.util.find_spec("tensorrt_rtx") is None:
        pytest.skip("TensorRT-RTX is not installed: pip install '.[tensorrt]'")
    return find_builder("tensorrt_rtx")


@pytest.fixture(scope="session")
def real_models(tmp_path_factory) -> Path:
    """The folder with what `export_models.py` writes, which takes half a minute: once for all workers of a run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "real_models"
    with exclusive(folder.with_suffix(".lock"), wait_seconds=600, tell=print):
        if not (folder / "whole").exists():
            folder.mkdir(exist_ok=True)
            command = [sys.executable, str(Path(__file__).with_name("export_models.py")), str(folder)]
            environment = os.environ | {"PYTHONPATH": str(HOUSE)}
            subprocess.run(command, cwd=HOUSE, env=environment, check=True, capture_output=True, timeout=600)
            (folder / "whole").touch()
    return folder


@pytest.fixture
def request_of(rtx):
    """(ONNX file, compute capability, largest batch) -> the graph, key and target of its engine."""

    def make(onnx: Path, capability: str = "8.6", batch: int = 8, **settings):
        graph, target = read_graph(onnx), EngineTarget(tool=rtx, compute_capability=capability)
        profile = make_profile(graph, batch_range(batch), {})
        return graph, engine_key(graph, target, profile, EngineSettings(**settings)), target

    return make
