"""A release on a real cluster: installed, asked, upgraded and rolled back under load, broken, and taken away."""

from __future__ import annotations

import json
import uuid
from contextlib import contextmanager

import pytest

from tests.candidates import NAME
from tests.cluster.conftest import BAD, start_pod
from tests.cluster.kubernetes_client import is_ready, wait_until

pytestmark = pytest.mark.cluster
RELEASE = "demo"
DEPLOYMENT = f"deployment/{RELEASE}-tritonkit"


@pytest.fixture(scope="module")
def release(claimed, values):
    """A release of version 1 with two replicas."""
    claimed.upgrade(RELEASE, values(1))
    yield RELEASE
    claimed.helm("uninstall", RELEASE, "--wait", check=False)


@pytest.fixture
def steady(claimed, client_files, images, release):
    """Requests that go on while the block runs; what they saw is in the dictionary afterwards."""

    @contextmanager
    def requests(title):
        name = f"client-{uuid.uuid4().hex[:6]}"
        hosts = [f"{RELEASE}-tritonkit-http:8000", f"{RELEASE}-tritonkit-grpc:8001"]
        command = ["/opt/tritonkit/venv/bin/python", "/files/steady_requests.py", *hosts, NAME, "/files/picture.png"]
        volumes = [{"name": "files", "configMap": {"name": client_files}}]
        start_pod(claimed, name, images.kit.name, command, volumes=volumes, mounts={"files": "/files"})
        seen = {}
        try:
            wait_until("the client asks", lambda: "started" in claimed.kubectl("logs", name).stdout)
            yield seen
            claimed.kubectl("exec", name, "--", "touch", "/tmp/stop")
            done = ["wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/{name}", "--timeout=90s"]
            claimed.kubectl(*done)
            seen |= json.loads(claimed.kubectl("logs", name).stdout.splitlines()[-1])
            for who, counts in seen.items():
                print(f"{title}: {who}: {counts['answers']} answers by version, {len(counts['failures'])} failed")
        finally:
            claimed.kubectl("delete", "pod", name, "--grace-period=0", "--force", "--ignore-not-found")

    return requests


def test_the_namespace_enforces_the_restricted_standard(claimed):
    """What the chart's pods are admitted by refuses a plain pod."""
    done = claimed.kubectl("run", "plain", "--image=none", "--restart=Never", check=False)
    assert "violates PodSecurity" in done.stderr


def test_helm_test_replays_the_golden_bundle_over_both_protocols(claimed, release):
    said = claimed.helm("test", release, "--logs").stdout
    assert "Succeeded" in said


def test_an_upgrade_and_a_rollback_under_load_fail_no_request(claimed, release, values, steady):
    with steady("upgrade and rollback") as seen:
        claimed.upgrade(RELEASE, values(2))
        claimed.helm("rollback", RELEASE, "--wait", "--timeout=150s")
    kit = seen["kit"]
    assert not kit["failures"], kit["failures"][:5]
    assert kit["answers"].keys() == {"1", "2"}


def test_a_bad_version_never_becomes_ready_and_takes_no_traffic(claimed, release, values, steady):
    before = {pod["metadata"]["name"] for pod in claimed.pods(RELEASE)}
    with steady("bad version") as seen:
        claimed.upgrade(RELEASE, values(BAD), wait=0)

        def refused():
            return any(_restarts(pod) for pod in claimed.pods(RELEASE) if pod["metadata"]["name"] not in before)

        wait_until("the new pod was refused its models", refused)
        pods = claimed.pods(RELEASE)
        assert not [p for p in pods if p["metadata"]["name"] not in before and is_ready(p)]
        assert before <= {p["metadata"]["name"] for p in pods if is_ready(p)}
        claimed.helm("rollback", RELEASE, "--wait", "--timeout=150s")
    assert not seen["kit"]["failures"], seen["kit"]["failures"][:5]
    assert seen["kit"]["answers"].keys() == {"1"}


def _restarts(pod):
    return sum(status["restartCount"] for status in pod["status"].get("initContainerStatuses", []))


def test_a_killed_pod_is_replaced_while_the_other_answers(claimed, release, steady):
    """Killed, it unloads its models at once: who holds a connection to it may be told four times that they are gone."""
    with steady("pod killed") as seen:
        victim = claimed.pods(RELEASE)[0]["metadata"]["name"]
        claimed.kubectl("delete", "pod", victim, "--grace-period=0", "--force")
        claimed.kubectl("rollout", "status", DEPLOYMENT, "--timeout=120s")
    assert len(seen["kit"]["failures"]) <= len(seen["raw"]["failures"]), seen["kit"]["failures"][:5]
    assert seen["kit"]["answers"].keys() == {"1"}


def test_a_drain_leaves_the_last_replica_until_another_is_ready(claimed, release, node, steady):
    """The node is the only one: what was evicted has nowhere to go, so that the budget must keep the other pod."""
    selector = f"--pod-selector=app.kubernetes.io/instance={RELEASE}"
    with steady("drain") as seen:
        try:
            done = claimed.kubectl("drain", node, selector, "--delete-emptydir-data", "--timeout=20s", check=False)
            assert "violate the pod's disruption budget" in done.stderr, done.stderr
            assert len([pod for pod in claimed.pods(RELEASE) if is_ready(pod)]) == 1
        finally:
            claimed.kubectl("uncordon", node)
        claimed.kubectl("rollout", "status", DEPLOYMENT, "--timeout=150s")
    assert not seen["kit"]["failures"], seen["kit"]["failures"][:5]


# The kernel kills the process of the highest score first; a process may raise that of another of its user. The
# memory is taken by many small processes, so that the server is the largest of them.
_TAKE_ALL_MEMORY = """
import os, time
servers = [p for p in os.listdir("/proc") if p.isdigit() and open(f"/proc/{p}/comm").read().strip() == "tritonserver"]
for server in servers:
    with open(f"/proc/{server}/oom_score_adj", "w") as score:
        score.write("1000")
while True:
    if os.fork() == 0:
        taken = b"x" * (16 << 20)
        time.sleep(600)
    time.sleep(0.02)
"""


def test_a_server_that_runs_out_of_memory_comes_back_while_the_other_answers(claimed, release, steady):
    victim = claimed.pods(RELEASE)[0]["metadata"]["name"]

    def status():
        (container,) = claimed.get("pod", victim)["status"]["containerStatuses"]
        return container

    with steady("out of memory") as seen:
        claimed.kubectl("exec", victim, "-c", "triton", "--", "python3", "-c", _TAKE_ALL_MEMORY, check=False)
        wait_until("the container starts again", lambda: status()["restartCount"] == 1 and status()["ready"])
    assert status()["lastState"]["terminated"]["reason"] == "OOMKilled"
    assert len(seen["kit"]["failures"]) <= len(seen["raw"]["failures"]), seen["kit"]["failures"][:5]


def test_uninstalling_leaves_nothing(claimed, release):
    claimed.helm("uninstall", release, "--wait")
    kinds = "all,configmap,secret,serviceaccount,networkpolicy,poddisruptionbudget,ingress,resourcequota"
    selector = f"app.kubernetes.io/instance={release}"

    def gone():
        return not claimed.get(kinds, "-l", selector)["items"]

    wait_until("every object is gone", gone, seconds=60)
