"""Every query that the chart writes: it parses, names metrics that Triton has, and selects one release alone."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from pathlib import Path

import pytest
import yaml

from tests.helm.chart import named, of_kind, profile_values, render, render_profile
from tests.helm.programs import promtool

KNOWN = yaml.safe_load((Path(__file__).parent / "triton_metrics.yaml").read_text())
SUFFIXES = {"histogram": ("_bucket", "_count", "_sum"), "summary": ("", "_count", "_sum")}
NAMES = {
    name + suffix: entry for name, entry in KNOWN["metrics"].items() for suffix in SUFFIXES.get(entry["type"], ("",))
}
OURS = ('namespace="serving"', 'triton_release="demo-tritonkit"')
SELECTOR = re.compile(r"(?P<metric>[a-zA-Z_:][a-zA-Z0-9_:]*)\{(?P<labels>[^}]*)\}")


def _panels(documents):
    board = json.loads(named(documents, "ConfigMap", "demo-tritonkit-dashboard")["data"]["demo-tritonkit.json"])
    return [(p["title"], n, target["expr"]) for p in board["panels"] for n, target in enumerate(p["targets"])]


def _as_grafana(query):
    for variable, value in (("$__rate_interval", "1m"), ("$track", ".*"), ("$model", ".*")):
        query = query.replace(variable, value)
    return query


@pytest.fixture(scope="module")
def queries():
    values = profile_values("production") | {"triton": {"responseCacheBytes": 1 << 20}}
    first = render(values)
    found = {}
    for documents in (first, render_profile("canary")):
        for rules in of_kind(documents, "PrometheusRule"):
            for group in rules["spec"]["groups"]:
                for number, rule in enumerate(group["rules"]):
                    found[f"{rule.get('alert', rule.get('record'))} {number}"] = rule["expr"]
    for trigger in of_kind(first, "ScaledObject")[0]["spec"]["triggers"]:
        found[f"KEDA {trigger['metricType']}"] = trigger["metadata"]["query"]
    for title, number, query in _panels(first):
        found[f"panel {title} {number}"] = query
    return found


def test_every_metric_exists_in_the_release_that_is_served(queries):
    for where, query in queries.items():
        used = SELECTOR.findall(query)
        assert used, where
        for metric, _ in used:
            assert metric in NAMES or metric in KNOWN["others"], f"{where} names {metric}, which Triton does not have"


def test_every_query_selects_this_release_alone(queries):
    for where, query in queries.items():
        bare = re.sub(r"\{[^}]*\}", "", query)
        assert len(re.findall(r"nv_[a-z_]+|\bup\b", bare)) == len(SELECTOR.findall(query)), f"{where}: {query}"
        for metric, labels in SELECTOR.findall(query):
            assert all(label in labels for label in OURS), f"{where}: {metric} of every release"


def test_no_query_takes_a_mean_of_ratios_or_scales_on_the_gpu(queries):
    for where, query in queries.items():
        assert "clamp_min" not in query, where
        if where.startswith("KEDA"):
            assert "nv_gpu" not in query


def test_alerts_on_younger_metrics_are_for_younger_releases():
    values = profile_values("production")
    values["image"] = values["image"] | {"tag": "24.10-py3", "acceptOldRelease": "a test"}
    (rules,) = of_kind(render(values), "PrometheusRule")
    for group in rules["spec"]["groups"]:
        for rule in group["rules"]:
            for metric, _ in SELECTOR.findall(rule["expr"]):
                assert metric in KNOWN["others"] or NAMES[metric]["since"] <= "24.10", rule


def test_every_query_parses(queries, tmp_path):
    rules = [{"record": f"q{number}", "expr": _as_grafana(query)} for number, query in enumerate(queries.values())]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run([promtool(), "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.server
def test_metrics_of_2_51_are_in_a_live_server(tmp_path):
    from tritonkit.server import ServerOptions, TritonServer

    model = tmp_path / "models" / "echo"
    (model / "1").mkdir(parents=True)
    tensor = "{ name: 'x', data_type: TYPE_FP32, dims: [1] }"
    (model / "config.pbtxt").write_text(
        f"backend: 'python'\nmax_batch_size: 0\ninput [{tensor}]\noutput [{tensor.replace('x', 'y')}]\n"
    )
    (model / "1" / "model.py").write_text(
        "class TritonPythonModel:\n    def execute(self, requests):\n        raise NotImplementedError\n"
    )
    with (
        TritonServer(ServerOptions(model.parent)) as server,
        urllib.request.urlopen(server.metrics_url, timeout=10) as answer,
    ):
        text = answer.read().decode()
    found = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    wanted = {name: entry["type"] for name, entry in KNOWN["metrics"].items() if entry.get("live")}
    assert wanted.items() <= found.items()
    # All reasons exist from the start, so that `rate` misses no first failure.
    reasons = re.findall(r'nv_inference_request_failure\{[^}]*reason="(\w+)"', text)
    assert sorted(reasons) == ["BACKEND", "CANCELED", "OTHER", "REJECTED"]
