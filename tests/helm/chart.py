"""Renders the chart, each combination once in a process."""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.helm.programs import program

CHART = Path(__file__).parents[2] / "helm" / "tritonkit"
PROFILES = tuple(sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml")))
HELMS = ("helm3", "helm4")
# The oldest and the newest that the chart promises; the newest offers all that a profile may need.
OLDEST, NEWEST = "1.29", "1.37"
OPERATORS = ("monitoring.coreos.com/v1", "gateway.networking.k8s.io/v1", "keda.sh/v1alpha1")

Document = dict[str, Any]

MINIMAL: Document = {
    "kitImage": {"repository": "registry.example.com/tritonkit"},
    "models": [{"name": "efficientnet_lite0", "manifestSha256": "a" * 64}],
    "modelSource": {"type": "pvc", "pvc": {"claimName": "models", "subPath": "model_repository"}},
}
"""The least that renders."""


class RefusedError(Exception):
    """Helm did not render; the text is what it said."""


def profile_file(profile: str) -> Path:
    """The values of a profile in ci/."""
    return CHART / "ci" / f"{profile}-values.yaml"


def profile_values(profile: str) -> Document:
    """The values of a profile, read."""
    values: Document = yaml.safe_load(profile_file(profile).read_text())
    return values


def render_text(
    values: Document, *, helm: str = "helm4", kubernetes: str = NEWEST, name: str = "demo", namespace: str = "serving"
) -> str:
    """What `helm template` prints.

    Raises:
        RefusedError: with what Helm said.
    """
    return _render(json.dumps(values, sort_keys=True), helm, kubernetes, name, namespace)


def render(values: Document, **options: str) -> list[Document]:
    """The rendered objects; options as for `render_text`."""
    return [document for document in yaml.load_all(render_text(values, **options), yaml.CSafeLoader) if document]


def render_profile(profile: str, **options: str) -> list[Document]:
    """The objects of a profile in ci/."""
    return render(profile_values(profile), **options)


@functools.cache
def _render(values: str, helm: str, kubernetes: str, name: str, namespace: str) -> str:
    cluster = [argument for version in OPERATORS for argument in ("--api-versions", version)]
    cluster += ["--namespace", namespace, "--kube-version", kubernetes]
    done = subprocess.run(
        [program(helm), "template", name, CHART, *cluster, "-f", "-"],
        input=values,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    if done.returncode != 0:
        raise RefusedError(done.stderr)
    return done.stdout


def of_kind(documents: list[Document], kind: str) -> list[Document]:
    """The objects of one kind."""
    return [document for document in documents if document["kind"] == kind]


def named(documents: list[Document], kind: str, name: str) -> Document:
    """The one object of that kind and name."""
    (found,) = (document for document in of_kind(documents, kind) if document["metadata"]["name"] == name)
    return found


def pod_specs(documents: list[Document]) -> dict[str, Document]:
    """The pod specs of all objects that make pods, by kind and name."""
    specs = {}
    for document in documents:
        spec = document.get("spec", {})
        pod = spec if document["kind"] == "Pod" else spec.get("template", {}).get("spec")
        if pod is not None:
            specs[f"{document['kind']} {document['metadata']['name']}"] = pod
    return specs


def containers(pod: Document) -> list[Document]:
    """All containers of a pod, those of initialisation first."""
    return [*pod.get("initContainers", []), *pod["containers"]]


def server(documents: list[Document], name: str = "demo-tritonkit") -> Document:
    """The serving container of a Deployment."""
    container: Document = named(documents, "Deployment", name)["spec"]["template"]["spec"]["containers"][0]
    return container


def merged(base: Document, changes: Document) -> Document:
    """`base` with `changes` laid over it, as Helm merges values files."""
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result
