"""A real Prometheus in the cluster, which scrapes as the operator would have it for a PodMonitor, and has its rules.

Debian's Prometheus cannot ask Kubernetes for pods. It is told of them, with the labels that it would have found.
"""

from __future__ import annotations

import json
import re
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from tests.cluster.conftest import start_pod
from tests.cluster.kubernetes_client import wait_until

if TYPE_CHECKING:
    from tests.cluster.kubernetes_client import Document, Kubernetes

NAME = "prometheus"
PORT = 9090
_META = "__meta_kubernetes"
_DISCOVERED = {
    "namespace": f"{_META}_namespace",
    "pod": f"{_META}_pod_name",
    "container": f"{_META}_pod_container_name",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """Asks a Prometheus, through the API server.

    Attributes:
        kubernetes: where its pod runs.
    """

    kubernetes: Kubernetes

    def is_ready(self) -> bool:
        """Whether it has read its files, and answers."""
        return self.kubernetes.kubectl("get", "--raw", f"{self._place()}/-/ready", check=False).returncode == 0

    def query(self, expression: str) -> list[Document]:
        """The series that an expression gives now."""
        data = self._get(f"query?{urllib.parse.urlencode({'query': expression})}")
        found: list[Document] = data["result"]
        return found

    def rules(self) -> list[Document]:
        """Every rule, with its health and state."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        return {series["metric"]["alertname"] for series in self.query('ALERTS{alertstate="firing"}')}

    def _get(self, path: str) -> Any:
        answer = json.loads(self.kubernetes.kubectl("get", "--raw", f"{self._place()}/api/v1/{path}").stdout)
        assert answer["status"] == "success", answer
        return answer["data"]

    def _place(self) -> str:
        return f"/api/v1/namespaces/{self.kubernetes.namespace}/pods/{NAME}:{PORT}/proxy"


def start_prometheus(kubernetes: Kubernetes, image: str, release: str) -> Prometheus:
    """Starts it with the PodMonitor and the PrometheusRule of a release.

    Alerts do not wait: that they wait as long as they should is told by the rules' own tests.
    """
    rules = kubernetes.get("prometheusrule", release)["spec"]
    for group in rules["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            rule.pop("for", None)
    files = {
        "prometheus.yml": yaml.safe_dump(_configuration(kubernetes, kubernetes.get("podmonitor", release)["spec"])),
        "rules.yml": yaml.safe_dump(rules),
    }
    metadata = {"name": NAME}
    kubernetes.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files})
    command = [
        "prometheus",
        "--config.file=/files/prometheus.yml",
        "--storage.tsdb.path=/tmp/prometheus",
        f"--web.listen-address=:{PORT}",
    ]
    volumes = [{"name": "files", "configMap": metadata}]
    start_pod(kubernetes, NAME, image, command, volumes=volumes, mounts={"files": "/files"})
    prometheus = Prometheus(kubernetes=kubernetes)
    wait_until("Prometheus answers", prometheus.is_ready)
    return prometheus


def stop_prometheus(kubernetes: Kubernetes) -> None:
    """Takes everything away that `start_prometheus` made."""
    kubernetes.kubectl("delete", "pod,configmap", NAME, "--grace-period=0", "--force", "--ignore-not-found")


def _configuration(kubernetes: Kubernetes, monitor: Document) -> Document:
    """What the operator writes for a PodMonitor, but for the interval."""
    (endpoint,) = monitor["podMetricsEndpoints"]
    labels = {f"{_META}_pod_label_{_word(k)}": v for k, v in monitor["selector"]["matchLabels"].items()}
    kept = labels | {f"{_META}_pod_container_port_name": endpoint["port"]}
    job = {
        "job_name": "podmonitor",
        "metrics_path": endpoint["path"],
        "honor_labels": endpoint["honorLabels"],
        "static_configs": [target for pod in kubernetes.get("pods")["items"] for target in _targets(pod)],
        "relabel_configs": [
            *({"action": "keep", "source_labels": [label], "regex": re.escape(value)} for label, value in kept.items()),
            *({"target_label": target, "source_labels": [source]} for target, source in _DISCOVERED.items()),
            *({_word(key): value for key, value in rule.items()} for rule in endpoint["relabelings"]),
        ],
    }
    often = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    return {"global": often, "rule_files": ["/files/rules.yml"], "scrape_configs": [job]}


def _targets(pod: Document) -> list[Document]:
    """Every port of a pod, as Prometheus' discovery of the role `pod` describes it."""
    labels = {
        f"{_META}_namespace": pod["metadata"]["namespace"],
        f"{_META}_pod_name": pod["metadata"]["name"],
        **{f"{_META}_pod_label_{_word(k)}": v for k, v in pod["metadata"].get("labels", {}).items()},
    }
    return [
        {
            "targets": [f"{pod['status']['podIP']}:{port['containerPort']}"],
            "labels": labels
            | {f"{_META}_pod_container_name": container["name"], f"{_META}_pod_container_port_name": port["name"]},
        }
        for container in pod["spec"]["containers"]
        for port in container.get("ports", [])
        if "podIP" in pod["status"]
    ]


def _word(text: str) -> str:
    """A label's name as discovery has it, a field's as Prometheus' own file has it."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", re.sub(r"(?<=[a-z])[A-Z]", lambda m: f"_{m[0].lower()}", text))
