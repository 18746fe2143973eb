"""`--runtime podman` for real: the wheel's server in a container, over a repository of the kit."""

from __future__ import annotations

import os
import shutil
import subprocess

import numpy as np
import psutil
import pytest

from clients import Client
from tests.candidates import NAME, make_candidate, marks_of, picture
from tests.helm.programs import CACHE
from tritonkit.repository.publish import check_candidate, publish
from tritonkit.server import ServerOptions, TritonServer
from tritonkit.server.readiness import metrics_answer
from tritonkit.spec.errors import GateError

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(shutil.which("podman") is None, reason="podman is not installed"),
]


@pytest.fixture
def podman(tmp_path, monkeypatch):
    """podman with storage of its own, that gives containers no more than this process may have; returns what it says."""
    storage, settings = tmp_path / "storage.conf", tmp_path / "containers.conf"
    root = CACHE.parent / "cluster" / "podman"
    storage.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{root}"\nrunroot = "/run/tritonkit-podman"\n')
    settings.write_text('[containers]\ndefault_ulimits = ["nofile=10000:10000", "nproc=4096:4096"]\n')
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(storage))
    monkeypatch.setenv("CONTAINERS_CONF", str(settings))

    def run(*arguments: str) -> str:
        done = subprocess.run(["podman", *arguments], capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def test_a_repository_is_served_in_a_container_and_nothing_is_left(podman, images, tmp_path):
    podman("load", "--quiet", "--input", str(images.triton.archive))
    repository = tmp_path / "model_repository"
    publish(check_candidate(make_candidate(tmp_path / "candidate", 1)), repository)
    options = ServerOptions(repository, models=(NAME,), runtime="podman", image=images.triton.name)
    with TritonServer(options) as server:
        for url in (server.grpc_url, server.http_url):
            with Client(url, timeout=60) as client:
                assert marks_of(client.infer(NAME, {"image": np.array([[picture()]], dtype=object)})).model == 1
        assert metrics_answer("127.0.0.1", int(server.metrics_url.split(":")[2].partition("/")[0]))
        assert NAME in {state.name for state in server.index()}, "the key opens the restricted APIs"
        commands = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline", "name"])]
        outside = [command for command in commands if server.admin_key in command and "podman" in command]
        assert not outside, "the key stands in no command line of the engine's"
        container = podman("ps", "--quiet", "--latest")
        assert podman("inspect", "--format", "{{.Config.User}}", container) == _user()
        written = subprocess.run(["podman", "exec", container, "touch", "/models/x"], capture_output=True, check=False)
        assert written.returncode != 0, "the repository is mounted read-only"
        ended = server.stop()
    print(f"stopped in {ended.seconds:.1f} s")
    assert (ended.code, ended.explanation) == (0, "stopped cleanly")
    assert podman("ps", "--all", "--quiet") == ""


def _user() -> str:
    """The image's own user where this process is root, else the caller."""
    return "1000:1000" if os.getuid() == 0 else f"{os.getuid()}:{os.getgid()}"


def test_a_model_that_does_not_load_is_told_from_a_container_too(podman, images, tmp_path):
    podman("load", "--quiet", "--input", str(images.triton.archive))
    model = tmp_path / "models" / "broken"
    (model / "1").mkdir(parents=True)
    (model / "1" / "model.py").write_text(
        "class TritonPythonModel:\n    def initialize(self, args):\n        raise ValueError('no weights here')\n"
    )
    tensor = '[{ name: "x" data_type: TYPE_FP32 dims: [1] }]'
    (model / "config.pbtxt").write_text(f'backend: "python"\ninput {tensor}\noutput {tensor}\n')
    options = ServerOptions(model.parent, runtime="podman", image=images.triton.name)
    with pytest.raises(GateError, match="broken: this model does not load; got no weights here"), TritonServer(options):
        pytest.fail("it must not start")
    assert podman("ps", "--all", "--quiet") == ""
