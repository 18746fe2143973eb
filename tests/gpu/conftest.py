"""A GPU and a TensorRT, or a plain reason why there is none. `pytest -m gpu -s` prints what was measured."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from builder.engines.build_engine import EngineTarget
from builder.engines.gpus import find_gpus
from builder.engines.libraries import find_builder
from builder.engines.run_engine import missing_runtime
from tritonkit.spec.errors import UnavailableError

HOUSE = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def target() -> EngineTarget:
    """TensorRT's Python module and the first GPU."""
    try:
        gpu, tool = find_gpus()[0], find_builder("tensorrt")
    except UnavailableError as error:
        pytest.skip(f"did not run: {error}")
    if tool.trtexec is not None:
        pytest.skip("did not run: trtexec alone is here, and engines are asked through TensorRT's Python module")
    if (missing := missing_runtime()) is not None:
        pytest.skip(f"did not run: {missing}")
    return EngineTarget(tool=tool, compute_capability=gpu.compute_capability, gpu=gpu)


@pytest.fixture(scope="session")
def real_models(target, tmp_path_factory) -> Path:
    """The folder with what `tests/engines/export_models.py` writes."""
    folder = tmp_path_factory.mktemp("real_models")
    command = [sys.executable, str(HOUSE / "tests" / "engines" / "export_models.py"), str(folder)]
    subprocess.run(command, cwd=HOUSE, env=os.environ | {"PYTHONPATH": str(HOUSE)}, check=True, timeout=600)
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """One engine cache for all tests: an engine takes minutes."""
    return tmp_path_factory.mktemp("engines")
