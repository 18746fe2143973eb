"""A pod that is told to stop while its models load stops at once."""

from __future__ import annotations

import json

import pytest

from tests.cluster.kubernetes_client import wait_until

pytestmark = pytest.mark.cluster
RELEASE = "slow"
FINALIZER = "tritonkit.invalid/look-at-it-first"
SIGTERM_STATUS = 128 + 15


@pytest.fixture
def loading(claimed, values):
    """The name of a pod whose models are loading, on a twentieth of a processor."""
    little = {"requests": {"cpu": "10m", "memory": "256Mi"}, "limits": {"cpu": "50m", "memory": "1Gi"}}
    short = {"preStopSeconds": 5, "drainSeconds": 60, "unloadSeconds": 60}
    triton = {"grpcMaxConnectionAgeMs": 2000}
    changes = {"replicaCount": 1, "resources": little, "termination": short, "triton": triton}
    claimed.upgrade(RELEASE, values(1, **changes), wait=0)
    try:
        wait_until("a pod is there", lambda: bool(claimed.pods(RELEASE)))
        (pod,) = claimed.pods(RELEASE)
        name = pod["metadata"]["name"]

        def loads():
            return "loading: " in claimed.kubectl("logs", name, "-c", "triton", check=False).stdout

        wait_until("models load", loads)
        yield name
    finally:
        claimed.helm("uninstall", RELEASE, "--wait", check=False)


def test_sigterm_ends_a_server_whose_models_still_load(claimed, loading):
    """As process 1 it would ignore the signal, and be killed after two minutes of grace."""
    _patch_finalizers(claimed, loading, [FINALIZER])
    try:
        (before,) = claimed.get("pod", loading)["status"]["containerStatuses"]
        assert not before["started"]
        claimed.kubectl("delete", "pod", loading, "--wait=false")

        def ended():
            (container,) = claimed.get("pod", loading)["status"]["containerStatuses"]
            return container["state"].get("terminated")

        wait_until("the server has ended", lambda: bool(ended()))
        assert ended()["exitCode"] == SIGTERM_STATUS
    finally:
        _patch_finalizers(claimed, loading, [])


def _patch_finalizers(kubernetes, pod, finalizers):
    patch = json.dumps({"metadata": {"finalizers": finalizers}})
    kubernetes.kubectl("patch", "pod", pod, "--type=merge", "-p", patch)
