"""A real Prometheus scrapes a release's pods: every rule is evaluated, every panel has data, alerts fire and end."""

from __future__ import annotations

import base64
import json

import pytest

from tests.candidates import NAME, picture
from tests.cluster.kubernetes_client import wait_until
from tests.cluster.prometheus_server import NAME as PROMETHEUS
from tests.cluster.prometheus_server import start_prometheus, stop_prometheus

pytestmark = pytest.mark.cluster
RELEASE = "watched"
SERVER = f"{RELEASE}-tritonkit"
# What the server of this machine does not have: a GPU, a cache; histograms and load times came with later releases.
SILENT_PANELS = {"Latency", "GPU utilisation", "GPU memory", "Answered from the cache", "Seconds to load"}


@pytest.fixture(scope="module")
def release(claimed, values, operator):
    network = {"clients": [{"podSelector": {}}], "prometheus": [{"podSelector": {}}]}
    claimed.upgrade(RELEASE, values(1, replicaCount=1, networkPolicy=network))
    yield RELEASE
    claimed.helm("uninstall", RELEASE, "--wait", check=False)


@pytest.fixture(scope="module")
def prometheus(claimed, images, release):
    try:
        prometheus = start_prometheus(claimed, images.tools.name, SERVER)
        wait_until("the server is scraped", lambda: bool(prometheus.query(f'nv_inference_count{{model="{NAME}"}}')))
        yield prometheus
    finally:
        stop_prometheus(claimed)


def test_alerts_of_failing_requests_fire_and_end(claimed, prometheus):
    alerts = {"TritonRequestsFailing", "TritonBackendBroken"}
    # What `rate` needs: the counters before anything failed.
    assert not prometheus.firing() & alerts

    def fire():
        _ask(claimed, b"no picture")
        return prometheus.firing() >= alerts

    wait_until("the alerts of failing requests fire", fire)

    def answers_again():
        _ask(claimed, picture())
        return "TritonBackendBroken" not in prometheus.firing()

    wait_until("the backend answers again", answers_again)


def test_every_rule_is_evaluated(prometheus):
    wait_until("all rules have been evaluated", lambda: all(rule["health"] != "unknown" for rule in prometheus.rules()))
    sick = {rule["name"]: rule.get("lastError") for rule in prometheus.rules() if rule["health"] != "ok"}
    assert not sick
    for record in ("tritonkit:pending_requests:sum", "tritonkit:queue_us:max"):
        assert prometheus.query(f'{record}{{triton_release="{SERVER}",track="stable"}}'), record


def test_every_panel_of_the_dashboard_has_data(claimed, prometheus):
    board = json.loads(claimed.get("configmap", f"{SERVER}-dashboard")["data"][f"{SERVER}.json"])

    def silent():
        return {
            panel["title"]
            for panel in board["panels"]
            for target in panel["targets"]
            if not prometheus.query(_as_grafana(target["expr"]))
        }

    def asked():
        _ask(claimed, picture())
        return silent() <= SILENT_PANELS

    wait_until("every panel has data", asked)
    assert silent() == SILENT_PANELS


def test_a_server_that_hangs_is_told(claimed, prometheus):
    alerts = {"TritonDown", "TritonReplicaDown"}
    assert not prometheus.firing() & alerts
    (pod,) = claimed.pods(RELEASE)
    _signal_server(claimed, pod["metadata"]["name"], "STOP")
    try:
        wait_until("the alerts of a hung server fire", lambda: prometheus.firing() >= alerts)
    finally:
        _signal_server(claimed, pod["metadata"]["name"], "CONT")
    wait_until("the alerts end", lambda: not prometheus.firing() & alerts)


# Runs in a pod: a picture is binary, and needs a header that `kubectl create --raw` cannot send.
_REQUEST = """
import base64, json, struct, sys, urllib.request
data = base64.b64decode(sys.argv[2])
body = struct.pack("<I", len(data)) + data
tensor = {"name": "image", "shape": [1, 1], "datatype": "BYTES", "parameters": {"binary_data_size": len(body)}}
head = json.dumps({"inputs": [tensor]}).encode()
headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
urllib.request.urlopen(urllib.request.Request(sys.argv[1], head + body, headers), timeout=10).read()
"""


def _ask(kubernetes, data):
    """One request over HTTP; whether it is answered or refused is what the metrics tell."""
    url = f"http://{SERVER}-http:8000/v2/models/{NAME}/infer"
    command = ["python3", "-c", _REQUEST, url, base64.b64encode(data).decode()]
    kubernetes.kubectl("exec", PROMETHEUS, "--", *command, check=False)


def _signal_server(kubernetes, pod, signal):
    script = f"kill -{signal} $(pidof tritonserver)"
    kubernetes.kubectl("exec", pod, "-c", "triton", "--", "bash", "-c", script)


def _as_grafana(query):
    for variable, value in (("$__rate_interval", "1m"), ("$track", ".*"), ("$model", ".*")):
        query = query.replace(variable, value)
    return query
