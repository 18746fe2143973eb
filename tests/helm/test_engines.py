"""TensorRT engines in the chart: the init container's command is the builder's, and the server serves what it lays."""

from __future__ import annotations

import subprocess

import pytest

from builder.engines.__main__ import _options, _parser
from tests.helm.chart import containers, merged, pod_specs, profile_values, render


def _pod(**changes):
    documents = render(merged(profile_values("engines"), changes))
    return pod_specs(documents)["Deployment demo-tritonkit"]


def _init(pod):
    (container,) = (c for c in pod["initContainers"] if c["name"] == "engines")
    return container


def test_the_node_command_takes_the_charts_arguments():
    options = _options(_parser().parse_args(_init(_pod())["args"]))
    assert str(options.cache) == "/engines/cache"
    assert options.serving_version == "10.13.2.6"
    assert (options.may_build, options.optimum, options.profile) == (True, 8, "engines")


def test_the_server_serves_what_was_laid_under_its_profile():
    pod = _pod(triton={"modelConfigName": "sm89"})
    (server,) = pod["containers"]
    serve = _options(_parser().parse_args(_init(pod)["args"])).serve
    assert f"--model-repository={serve}" in server["args"]
    assert "--model-config-name=sm89" in server["args"]
    mounts = {mount["name"]: mount for mount in server["volumeMounts"]}
    assert "models" not in mounts
    assert mounts["served"]["readOnly"] is True
    # It verifies first, and builds of what it verified.
    assert [c["name"] for c in pod["initContainers"]] == ["verify", "engines"]


def test_engines_are_built_on_the_gpu_that_will_serve_them():
    pod = _pod()
    assert _init(pod)["resources"] == pod["containers"][0]["resources"]
    assert _init(pod)["resources"]["limits"]["nvidia.com/gpu"] == 1


@pytest.mark.parametrize(("policy", "may_build"), [("rebuild", True), ("fail", False), ("onnx", False)])
def test_a_missing_engine_is_built_or_refused(policy, may_build):
    container = _init(_pod(engines={"onMismatch": policy}))
    assert _options(_parser().parse_args(container["args"])).may_build == may_build


@pytest.mark.parametrize(("status", "ends", "served"), [(0, 0, False), (1, 0, True), (3, 0, True), (2, 1, False)])
def test_without_an_engine_the_onnx_file_is_served_if_that_is_wanted(status, ends, served, tmp_path):
    """A python that ends with a status stands for the builder; the shell is a real one."""
    (tmp_path / "python").write_text(f'#!/bin/sh\n[ "$2" = builder.engines ] && exit {status}\n')
    (tmp_path / "python").chmod(0o755)
    (tmp_path / "models" / "toy").mkdir(parents=True)
    (tmp_path / "served").mkdir()
    container = _init(_pod(engines={"onMismatch": "onnx"}))
    shell, flag, script, name = container["command"]
    for folder in ("models", "served"):
        script = script.replace(f"/{folder}", f"{tmp_path}/{folder}")
    done = subprocess.run(
        [shell, flag, script, name, *container["args"]],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        check=False,
        timeout=400,
    )
    assert done.returncode == ends
    assert (tmp_path / "served" / "repository" / "toy").is_dir() == served


def test_every_container_may_write_to_its_own_folders_alone():
    for container in containers(_pod()):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
