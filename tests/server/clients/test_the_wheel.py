"""The wheel `tritonkit-client`: built, installed in an environment of its own, used against a live server."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import clients

if TYPE_CHECKING:
    from tritonkit.server import TritonServer

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]

CODE = """
import asyncio, sys
import numpy as np
import tritonkit_client
from tritonkit_client.testing import FakeTransport
for url in sys.argv[1:]:
    with tritonkit_client.Client(url) as client:
        answer = client.infer("echo", {"x": np.ones((1, 4), np.float32)})
        assert answer["y"].sum() == 4 and answer.endpoint == url
async def main(url):
    async with tritonkit_client.AsyncClient(url) as client:
        assert (await client.infer("echo", {"x": np.ones((1, 4), np.float32)}))["y"].sum() == 4
for url in sys.argv[1:]:
    asyncio.run(main(url))
assert "clients" not in sys.modules and "tritonkit" not in sys.modules
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # From a copy: a build leaves folders behind beside its source.
    source = shutil.copytree(
        Path(clients.__file__).parent, folder / "clients", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
    )
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(folder), str(source)], check=True)
    (built,) = folder.glob("*.whl")
    return built


def test_it_holds_the_package_and_nothing_else(wheel: Path) -> None:
    assert wheel.name.startswith("tritonkit_client-")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"tritonkit_client"}
    packed = {name.partition("/")[2] for name in names if name.endswith(".py")}
    source = Path(clients.__file__).parent
    assert packed == {str(path.relative_to(source)) for path in source.rglob("*.py")}
    assert "tritonkit_client/py.typed" in names
    metadata = zipfile.ZipFile(wheel).read(next(name for name in names if name.endswith("METADATA"))).decode()
    required = {
        line.split()[1] for line in metadata.splitlines() if line.startswith("Requires-Dist") and ";" not in line
    }
    assert {name.partition("[")[0].partition(">")[0] for name in required} == {"numpy", "tritonclient"}


def test_it_works_in_an_environment_of_its_own(wheel: Path, tmp_path: Path, server: TritonServer) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-warn-script-location"]
    subprocess.run([*pip, str(wheel)], check=True)
    command = [str(python), "-W", "error", "-c", CODE, server.grpc_url, server.http_url]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=300)
