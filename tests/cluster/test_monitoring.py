"""A real Prometheus scrapes a release's pods: every rule is evaluated, every panel has data, alerts fire and end, and
the autoscaler reads what the rules record.
"""

from __future__ import annotations

import base64
import json
import re
from io import BytesIO
from pathlib import Path

import pytest
import yaml
from PIL import Image

from tests.candidates import NAME, picture
from tests.cluster.conftest import start_pod, write_certificates
from tests.cluster.kubernetes_client import wait_until
from tests.cluster.prometheus_server import NAME as PROMETHEUS
from tests.cluster.prometheus_server import start_prometheus, stop_prometheus
from tests.helm.chart import CHART

pytestmark = pytest.mark.cluster
RELEASE = "watched"
SERVER = f"{RELEASE}-tritonkit"
# What the server of this machine does not have: a GPU, a cache; histograms and load times came with later releases.
SILENT_PANELS = {"Latency", "GPU utilisation", "GPU memory", "Answered from the cache", "Seconds to load"}


@pytest.fixture(scope="module")
def release(claimed, values, operator):
    network = {"clients": [{"podSelector": {}}], "prometheus": [{"podSelector": {}}]}
    scaling = {"type": "hpa", "minReplicas": 1, "maxReplicas": 2, "targetPending": 2}
    claimed.upgrade(RELEASE, values(1, autoscaling=scaling, networkPolicy=network))
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


def test_the_alert_of_failing_requests_fires_and_ends(claimed, prometheus):
    alert = "TritonRequestsFailing"
    # What `rate` needs: the counters before anything failed.
    assert alert not in prometheus.firing()

    def fires():
        _ask(claimed, b"no picture")
        return alert in prometheus.firing()

    wait_until("requests fail", fires)

    def ends():
        _ask(claimed, picture(), times=200)
        return alert not in prometheus.firing()

    wait_until("failures are rare among answers", ends)


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
    _signal(claimed, pod["metadata"]["name"], "tritonserver", "STOP")
    try:
        wait_until("the alerts of a hung server fire", lambda: prometheus.firing() >= alerts)
    finally:
        _signal(claimed, pod["metadata"]["name"], "tritonserver", "CONT")
    wait_until("the alerts end", lambda: not prometheus.firing() & alerts)


@pytest.fixture
def external_metrics(claimed, images, prometheus, tmp_path):
    """The API that an HPA of external metrics asks."""
    name, group = "external-metrics", "external.metrics.k8s.io"
    write_certificates(tmp_path, name)
    files = {file: (tmp_path / file).read_text() for file in ("tls.crt", "tls.key")}
    files["external_metrics.py"] = (Path(__file__).parent / "external_metrics.py").read_text()
    metadata = {"name": name}
    spec = {"selector": {"app": name}, "ports": [{"port": 443, "targetPort": 6443}]}
    service = {"namespace": claimed.namespace, "name": name}
    api = {"group": group, "version": "v1beta1", "service": service, "insecureSkipTLSVerify": True}
    api |= {"groupPriorityMinimum": 100, "versionPriority": 100}
    registration = f"v1beta1.{group}"
    claimed.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": files},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec},
    )
    command = ["python3", "/files/external_metrics.py", _prometheus_address(claimed), _documented_query()]
    command += ["/files/tls.crt", "/files/tls.key"]
    volumes = [{"name": "files", "secret": {"secretName": name}}]
    start_pod(
        claimed, name, images.tools.name, command, volumes=volumes, mounts={"files": "/files"}, labels={"app": name}
    )
    try:
        registered = {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": registration},
        }
        claimed.apply(registered | {"spec": api})
        claimed.kubectl("wait", "--for=condition=Available", f"apiservice/{registration}", "--timeout=120s")
        yield
    finally:
        claimed.kubectl("delete", "apiservice", registration)
        claimed.kubectl("delete", "pod,service,secret", name, "--grace-period=0", "--force")


def _documented_query():
    """What docs/chart.md tells an adapter to ask."""
    text = (CHART.parents[1] / "docs" / "chart.md").read_text()
    (rules,) = (block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "externalRules" in block)
    (rule,) = yaml.safe_load(rules)["externalRules"]
    return rule["metricsQuery"]


def _prometheus_address(kubernetes):
    return f"http://{kubernetes.get('pod', PROMETHEUS)['status']['podIP']}:9090"


def test_requests_that_wait_bring_a_second_replica(claimed, prometheus, external_metrics):
    """Twelve callers of a server that takes four at a time."""
    claimed.kubectl("exec", PROMETHEUS, "--", "python3", "-c", _MANY_CALLERS, *_request(_large_picture()))
    try:
        wait_until("a second replica is asked for", lambda: claimed.get("deployment", SERVER)["spec"]["replicas"] == 2)
    finally:
        claimed.kubectl("exec", PROMETHEUS, "--", "touch", "/tmp/enough")

    def read():
        """The autoscaler writes down what it read after it has acted."""
        metrics = claimed.get("hpa", SERVER)["status"].get("currentMetrics") or []
        return {m["external"]["metric"]["name"] for m in metrics if "external" in m}

    wait_until(
        "the autoscaler has read both", lambda: read() == {"tritonkit:pending_requests:sum", "tritonkit:queue_us:max"}
    )


# Runs in a pod: a picture is binary, and needs a header that `kubectl create --raw` cannot send.
_REQUEST = """
import base64, json, struct, sys, urllib.request
data = base64.b64decode(sys.argv[2])
body = struct.pack("<I", len(data)) + data
tensor = {"name": "image", "shape": [1, 1], "datatype": "BYTES", "parameters": {"binary_data_size": len(body)}}
head = json.dumps({"inputs": [tensor]}).encode()
headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
def ask(timeout):
    urllib.request.urlopen(urllib.request.Request(sys.argv[1], head + body, headers), timeout=timeout).read()
"""
# They go on when whoever started them has gone.
_MANY_CALLERS = f"""{_REQUEST}
import os, threading
def call():
    while not os.path.exists("/tmp/enough"):
        ask(60)
if os.fork() == 0:
    [os.close(n) for n in (0, 1, 2)]
    [threading.Thread(target=call).start() for _ in range(12)]
"""


def _large_picture():
    """Few bytes for who sends it, some work for who decodes it."""
    buffer = BytesIO()
    Image.new("RGB", (3000, 3000)).save(buffer, "PNG")
    return buffer.getvalue()


def _ask(kubernetes, data, *, times=1):
    """Requests over HTTP; whether they are answered or refused is what the metrics tell."""
    script = f"{_REQUEST}\nfor _ in range({times}): ask(10)"
    kubernetes.kubectl("exec", PROMETHEUS, "--", "python3", "-c", script, *_request(data), check=False)


def _request(data):
    return f"http://{SERVER}-http:8000/v2/models/{NAME}/infer", base64.b64encode(data).decode()


def _signal(kubernetes, pod, program, signal):
    # `pidof` knows a name of any length, other than `pgrep`.
    script = f"kill -{signal} $(pidof {program})"
    kubernetes.kubectl("exec", pod, "-c", "triton", "--", "bash", "-c", script)


def _as_grafana(query):
    for variable, value in (("$__rate_interval", "1m"), ("$track", ".*"), ("$model", ".*")):
        query = query.replace(variable, value)
    return query
