"""A real Prometheus in the cluster, which finds pods as the operator would make it for a PodMonitor, and its rules."""

from __future__ import annotations

import json
import re
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from tests.cluster.conftest import start_pod

if TYPE_CHECKING:
    from tests.cluster.kubernetes_client import Document, Kubernetes

NAME = "prometheus"
PORT = 9090
_DISCOVERED = {
    "namespace": "__meta_kubernetes_namespace",
    "pod": "__meta_kubernetes_pod_name",
    "container": "__meta_kubernetes_pod_container_name",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """Asks a Prometheus, through the API server.

    Attributes:
        kubernetes: where its pod runs.
    """

    kubernetes: Kubernetes

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
        place = f"/api/v1/namespaces/{self.kubernetes.namespace}/pods/{NAME}:{PORT}/proxy/api/v1/{path}"
        answer = json.loads(self.kubernetes.kubectl("get", "--raw", place).stdout)
        assert answer["status"] == "success", answer
        return answer["data"]


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
    subject = {"kind": "ServiceAccount", "name": NAME, "namespace": kubernetes.namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME}
    reading = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    access = "rbac.authorization.k8s.io/v1"
    kubernetes.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": access, "kind": "Role", "metadata": metadata, "rules": [reading]},
        {"apiVersion": access, "kind": "RoleBinding", "metadata": metadata, "subjects": [subject], "roleRef": role},
    )
    command = [
        "prometheus",
        "--config.file=/files/prometheus.yml",
        "--storage.tsdb.path=/tmp/prometheus",
        f"--web.listen-address=:{PORT}",
    ]
    volumes = [{"name": "files", "configMap": metadata}]
    start_pod(kubernetes, NAME, image, command, volumes=volumes, mounts={"files": "/files"}, account=NAME)
    return Prometheus(kubernetes=kubernetes)


def stop_prometheus(kubernetes: Kubernetes) -> None:
    """Takes everything away that `start_prometheus` made."""
    kinds = "pod,configmap,serviceaccount,role,rolebinding"
    kubernetes.kubectl("delete", kinds, NAME, "--grace-period=0", "--force", "--ignore-not-found")


def _configuration(kubernetes: Kubernetes, monitor: Document) -> Document:
    """What the operator writes for a PodMonitor, but for the interval."""
    (endpoint,) = monitor["podMetricsEndpoints"]
    labels = {f"__meta_kubernetes_pod_label_{_word(k)}": v for k, v in monitor["selector"]["matchLabels"].items()}
    kept = labels | {"__meta_kubernetes_pod_container_port_name": endpoint["port"]}
    job = {
        "job_name": "podmonitor",
        "metrics_path": endpoint["path"],
        "honor_labels": endpoint["honorLabels"],
        "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": [kubernetes.namespace]}}],
        "relabel_configs": [
            *({"action": "keep", "source_labels": [label], "regex": re.escape(value)} for label, value in kept.items()),
            *({"target_label": target, "source_labels": [source]} for target, source in _DISCOVERED.items()),
            *({_word(key): value for key, value in rule.items()} for rule in endpoint["relabelings"]),
        ],
    }
    often = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    return {"global": often, "rule_files": ["/files/rules.yml"], "scrape_configs": [job]}


def _word(text: str) -> str:
    """A label's name as discovery has it, a field's as Prometheus' own file has it."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", re.sub(r"(?<=[a-z])[A-Z]", lambda m: f"_{m[0].lower()}", text))
