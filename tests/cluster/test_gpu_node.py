"""A release that asks for a GPU, on a node that says it has one: no driver is behind it, the scheduling is real."""

from __future__ import annotations

import json

import pytest

from tests.cluster.kubernetes_client import is_ready, wait_until

pytestmark = pytest.mark.cluster
RELEASE = "gpu"
RESOURCE = "nvidia.com/gpu"
# What GPU feature discovery says of an RTX A6000.
LABELS = {
    "nvidia.com/gpu.compute.major": "8",
    "nvidia.com/gpu.compute.minor": "6",
    "nvidia.com/cuda.driver-version.major": "580",
    "nvidia.com/gpu.memory": "49140",
    "nvidia.com/gpu.product": "NVIDIA-RTX-A6000",
}


@pytest.fixture
def bare_node(claimed, node):
    """The node, whose labels and GPU are taken away afterwards."""
    yield node
    claimed.kubectl("label", "node", node, *(f"{key}-" for key in LABELS))
    _patch_gpu(claimed, node, "remove")


@pytest.fixture
def values_with_gpu(values):
    gpu = {"mode": "count", "minMemoryMiB": 40000}

    def of_version(version):
        # One GPU, and none to spare for a rollout.
        return values(version, gpu=gpu, replicaCount=1, rollout={"spareReplicas": 0})

    return of_version


@pytest.fixture
def release(claimed, values_with_gpu, bare_node):
    claimed.upgrade(RELEASE, values_with_gpu(1), wait=0)
    yield RELEASE
    claimed.helm("uninstall", RELEASE, "--wait", check=False)


def test_a_pod_waits_for_a_node_with_the_labels_and_the_gpu_and_an_upgrade_needs_no_second(
    claimed, release, bare_node, values_with_gpu
):
    wait_until("no node has the labels", lambda: "didn't match Pod's node affinity" in _unscheduled(claimed))
    claimed.kubectl("label", "node", bare_node, *(f"{key}={value}" for key, value in LABELS.items()))
    wait_until("no node has a GPU", lambda: f"Insufficient {RESOURCE}" in _unscheduled(claimed))
    _patch_gpu(claimed, bare_node, "add")
    wait_until("the server is ready", lambda: [is_ready(pod) for pod in claimed.pods(release)] == [True])
    first = claimed.pods(release)[0]["metadata"]["name"]
    claimed.upgrade(release, values_with_gpu(2))
    (pod,) = claimed.pods(release)
    assert is_ready(pod)
    assert pod["metadata"]["name"] != first
    assert pod["spec"]["containers"][0]["resources"]["limits"][RESOURCE] == "1"


def _unscheduled(kubernetes):
    """Why the pod has no node."""
    conditions = [c for pod in kubernetes.pods(RELEASE) for c in pod["status"].get("conditions", [])]
    return " ".join(c.get("message", "") for c in conditions if c["type"] == "PodScheduled")


def _patch_gpu(kubernetes, node, operation):
    escaped = RESOURCE.replace("/", "~1")
    patch = [{"op": operation, "path": f"/status/{what}/{escaped}"} for what in ("capacity", "allocatable")]
    for change in patch if operation == "add" else ():
        change["value"] = "1"
    command = ["patch", "node", node, "--subresource=status", "--type=json", "-p", json.dumps(patch)]
    kubernetes.kubectl(*command, check=operation == "add")
