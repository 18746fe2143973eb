"""The commands that the chart's containers run are commands of the kit: parsed, and run against a real server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.free_port import free_port
from tests.helm.chart import PROFILES, containers, of_kind, pod_specs, render_profile
from tritonkit.commands import front_door

ROOT = Path(__file__).parents[2]
MODEL = """
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor("y", pb_utils.get_input_tensor_by_name(r, "x").as_numpy())])
            for r in requests
        ]
"""


@pytest.mark.parametrize("profile", PROFILES)
def test_every_command_of_the_kit_parses(profile):
    seen = set()
    for pod in pod_specs(render_profile(profile)).values():
        for container in containers(pod):
            if "tritonkit:" in container["image"] and "command" not in container:
                verb = front_door._find(container["args"][0])
                assert verb is not None, container["args"]
                front_door._parser(verb).parse_args(container["args"][1:])
                seen.add(verb.name)
    assert {"health", "parity"} <= seen


def _locust_arguments(replaced):
    """The arguments of master and worker as rendered, with what only a cluster has replaced."""
    documents = render_profile("load-test")
    arguments = {}
    for job in of_kind(documents, "Job"):
        (container,) = job["spec"]["template"]["spec"]["containers"]
        given = []
        for argument in container["args"]:
            name = argument.partition("=")[0]
            given.append(f"{name}={replaced[name]}" if name in replaced else argument)
        arguments[job["metadata"]["name"].rpartition("-")[2]] = given
    return arguments


@pytest.mark.server
def test_the_load_test_measures_a_real_server(tmp_path):
    from tritonkit.server import ServerOptions, TritonServer

    model = tmp_path / "models" / "echo"
    (model / "1").mkdir(parents=True)
    tensor = "{ name: 'x', data_type: TYPE_FP32, dims: [4] }"
    (model / "config.pbtxt").write_text(
        f"backend: 'python'\nmax_batch_size: 0\ninput [{tensor}]\noutput [{tensor.replace('x', 'y')}]\n"
    )
    (model / "1" / "model.py").write_text(MODEL)
    # Those that the profile restricts.
    apis = ("model-repository", "shared-memory", "statistics", "trace", "logging")
    with TritonServer(ServerOptions(model.parent, restricted_apis=apis)) as server:
        arguments = _locust_arguments(
            {
                "--model": "echo",
                "--http-url": server.http_url,
                "--grpc-url": server.grpc_url,
                "--master-host": "127.0.0.1",
                "--expect-workers": 1,
                "--users": 2,
                "--run-time": "3s",
                "--html": tmp_path / "report.html",
                "--csv": tmp_path / "report",
            }
        )
        locust = [sys.executable, "-m", "locust"]
        port = free_port()
        arguments["master"].append(f"--master-bind-port={port}")
        arguments["worker"].append(f"--master-port={port}")
        processes = {}
        try:
            for role in ("master", "worker"):
                given = [a.replace("/opt/tritonkit", str(ROOT)) for a in arguments[role]]
                log = (tmp_path / f"{role}.log").open("w")
                processes[role] = subprocess.Popen([*locust, *given], stdout=log, stderr=log, cwd=tmp_path)
                log.close()
            ended = {role: process.wait(timeout=300) for role, process in processes.items()}
        finally:
            for process in processes.values():
                process.kill()
                process.wait()
    logs = "\n".join(file.read_text() for file in tmp_path.glob("*.log"))
    assert ended == {"master": 0, "worker": 0}, logs
    rows = [line.split(",") for line in (tmp_path / "report_stats.csv").read_text().splitlines()]
    counts = {row[0]: (int(row[2]), int(row[3])) for row in rows[1:]}
    for protocol in ("grpc", "http"):
        requests, failures = counts[protocol]
        assert requests > 10, logs
        assert failures == 0, logs
    assert (tmp_path / "report.html").stat().st_size > 10_000
