"""What of a cluster would make a release of the chart fail, found before it is installed.

The chart is rendered for the cluster's version and APIs; its objects, and a pod of each template, are sent to the API
server as dry runs, so that schemas, Pod Security, quotas and admission speak for themselves; what the pods refer to is
looked up; and the nodes are asked whether one of them could run such a pod.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from tritonkit.commands.deploy import CHART
from tritonkit.commands.node_fit import misfit, room
from tritonkit.server.doctor import Finding
from tritonkit.spec.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Document = dict[str, Any]
_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release that is to be.

    Attributes:
        values: the file with the chart's values.
        name: of the Helm release.
        namespace: where to.
    """

    values: Path
    name: str
    namespace: str


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Reference:
    """An object that a pod needs and the chart does not make.

    Attributes:
        kind: its kind.
        name: its name.
        key: the key in it that is read; empty for all of it.
    """

    kind: str
    name: str
    key: str = ""


def examine_release(release: Release) -> tuple[Finding, ...]:
    """What would fail, first of all that the values cannot be rendered.

    Raises:
        UnavailableError: helm, kubectl or the cluster cannot be had.
    """
    for tool in ("helm", "kubectl"):
        if shutil.which(tool) is None:
            raise UnavailableError(f"{tool} is not on PATH", hint="install it, or run this where the release is made")
    version = str(json.loads(_kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"])
    cluster = Finding(subject="cluster", verdict="ok", detail=f"Kubernetes {version}")
    done = _template(release, version)
    if done.returncode != 0:
        return (cluster, *_refused(done.stderr))
    documents = [document for document in yaml.safe_load_all(done.stdout) if document]
    return (cluster, *_nodes(documents), *_in_namespace(release, documents))


def _in_namespace(release: Release, documents: list[Document]) -> tuple[Finding, ...]:
    if _get("namespace", release.namespace) is None:
        detail = f"{release.namespace} is not there: what the release needs in it could not be looked at"
        advice = f"kubectl create namespace {release.namespace}, make its claims and Secrets, then ask again"
        return (Finding(subject="namespace", verdict="fails", detail=detail, advice=advice),)
    return (*_references(release, documents), *_admission(release, documents))


def references(documents: list[Document]) -> list[Reference]:
    """What the pods of these objects need and no object here is."""
    found: set[Reference] = set()
    for pod in _pods(documents).values():
        found |= {Reference(kind="Secret", name=secret["name"]) for secret in pod.get("imagePullSecrets", [])}
        for volume in pod.get("volumes", []):
            found |= set(_of_volume(volume))
        for container in (*pod.get("initContainers", []), *pod["containers"]):
            for variable in container.get("env", []):
                source = variable.get("valueFrom", {}).get("secretKeyRef")
                if source and not source.get("optional"):
                    found.add(Reference(kind="Secret", name=source["name"], key=source["key"]))
        found.add(Reference(kind="ServiceAccount", name=pod.get("serviceAccountName", "default")))
    made = {(document["kind"], document["metadata"]["name"]) for document in documents}
    return sorted(reference for reference in found if (reference.kind, reference.name) not in made)


def _of_volume(volume: Document) -> Iterator[Reference]:
    for field, kind, key in (
        ("persistentVolumeClaim", "PersistentVolumeClaim", "claimName"),
        ("secret", "Secret", "secretName"),
        ("configMap", "ConfigMap", "name"),
    ):
        if field in volume and not volume[field].get("optional"):
            yield Reference(kind=kind, name=volume[field][key])


def _references(release: Release, documents: list[Document]) -> Iterator[Finding]:
    for reference in references(documents):
        subject = f"{reference.kind} {reference.name}"
        there = _get(reference.kind.lower(), reference.name, release.namespace)
        if there is None:
            advice = f"make it in namespace {release.namespace}, or change the value that names it"
            yield Finding(subject=subject, verdict="fails", detail="is not there", advice=advice)
        elif reference.key and reference.key not in there.get("data", {}):
            keys = ", ".join(sorted(there.get("data", {}))) or "nothing"
            detail = f"has no key {reference.key}; it holds {keys}"
            yield Finding(subject=subject, verdict="fails", detail=detail, advice="add the key, or name another")
        elif reference.kind == "PersistentVolumeClaim":
            yield _claim(subject, there)
        else:
            yield Finding(subject=subject, verdict="ok", detail="is there")


def _claim(subject: str, claim: Document) -> Finding:
    phase, modes = claim["status"].get("phase"), claim["spec"]["accessModes"]
    if phase == "Lost":
        return Finding(subject=subject, verdict="fails", detail="its volume is lost", advice="restore or remake it")
    if not {"ReadOnlyMany", "ReadWriteMany"} & set(modes):
        detail = f"{phase}, {', '.join(modes)}: pods can use it on one node alone"
        return Finding(
            subject=subject, verdict="note", detail=detail, advice="a claim of many nodes, or an object store"
        )
    return Finding(subject=subject, verdict="ok", detail=f"{phase}, {', '.join(modes)}")


def _nodes(documents: list[Document]) -> Iterator[Finding]:
    nodes = json.loads(_kubectl("get", "nodes", "-o", "json"))["items"]
    for document in documents:
        if document["kind"] == "Deployment":
            yield node_finding(document, nodes)


def node_finding(deployment: Document, nodes: list[Document]) -> Finding:
    """Whether there are nodes for the pods of a Deployment. What runs on them already is not looked at."""
    subject = f"nodes for {deployment['metadata']['name']}"
    pod = deployment["spec"]["template"]["spec"]
    reasons = [misfit(pod, node) for node in nodes]
    fitting = [node for node, reason in zip(nodes, reasons, strict=True) if reason is None]
    if not fitting:
        counted = Counter(filter(None, reasons)).most_common()
        detail = "; ".join(f"{count} of {len(nodes)}: {reason}" for reason, count in counted) or "there is no node"
        return Finding(subject=subject, verdict="fails", detail=detail, advice="see gpu, nodeSelector and resources")
    places = sum(room(pod, node) for node in fitting)
    wanted = int(deployment["spec"].get("replicas", 1))
    surge = int(deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"])
    detail = f"{len(fitting)} of {len(nodes)} fit, with room for {places} pods if nothing else runs there"
    if places < wanted:
        advice = f"{wanted} are wanted: lower replicaCount, or add nodes"
        return Finding(subject=subject, verdict="fails", detail=detail, advice=advice)
    if places < wanted + surge:
        advice = "a rollout would wait for a place: set rollout.spareReplicas: 0, or add nodes"
        return Finding(subject=subject, verdict="note", detail=detail, advice=advice)
    return Finding(subject=subject, verdict="ok", detail=detail)


def _admission(release: Release, documents: list[Document]) -> Iterator[Finding]:
    """What the API server says to every object, and to a pod as its controller will make it."""
    objects = [document for document in documents if document["kind"] != "Pod"]
    apply = ["apply", "--server-side", "--dry-run=server", "--force-conflicts", "--field-manager=helm", "-f", "-"]
    problems = list(_errors(_try_kubectl(*apply, stdin=yaml.safe_dump_all(objects), namespace=release.namespace)))
    yield from (Finding(subject="API server", verdict="fails", detail=problem) for problem in problems)
    for name, spec in _pods(documents).items():
        # Its account is one of the objects that are not there yet.
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tritonkit-doctor"}}
        pod["spec"] = {key: value for key, value in spec.items() if key != "serviceAccountName"} | {
            "restartPolicy": "Never"
        }
        create = ["create", "--dry-run=server", "-f", "-"]
        refused = list(_errors(_try_kubectl(*create, stdin=yaml.safe_dump(pod), namespace=release.namespace)))
        problems += refused
        yield from (Finding(subject=f"pod of {name}", verdict="fails", detail=problem) for problem in refused)
    if not problems:
        yield Finding(
            subject="API server", verdict="ok", detail=f"would take all {len(documents)} objects and their pods"
        )


def _pods(documents: list[Document]) -> dict[str, Document]:
    specs = {}
    for document in documents:
        spec = document.get("spec", {})
        pod = spec if document["kind"] == "Pod" else spec.get("template", {}).get("spec")
        if pod:
            specs[f"{document['kind']} {document['metadata']['name']}"] = pod
    return specs


def _template(release: Release, version: str) -> subprocess.CompletedProcess[str]:
    """Renders for the cluster's version and the APIs that it has."""
    apis = [argument for api in _kubectl("api-versions").split() for argument in ("--api-versions", api)]
    place = ["--namespace", release.namespace, "--values", str(release.values)]
    command = ["helm", "template", release.name, str(CHART), *place, "--kube-version", version, *apis]
    return _run(command)


def _refused(stderr: str) -> Iterator[Finding]:
    """One finding for each line in which the chart names what cannot work."""
    problems = re.findall(r"^- ([^\n]+?): ([^\n]+); ([^\n;]+)$", stderr, re.MULTILINE)
    for where, what, fix in problems:
        yield Finding(subject=where, verdict="fails", detail=what, advice=fix)
    if not problems:
        yield Finding(subject="values", verdict="fails", detail=stderr.strip())


def _errors(done: subprocess.CompletedProcess[str]) -> Iterator[str]:
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        yield from (line for line in lines if not line.startswith("Warning:"))


def _get(kind: str, name: str, namespace: str = "default") -> Document | None:
    text = _kubectl("get", kind, name, "--ignore-not-found", "-o", "json", namespace=namespace)
    found: Document | None = json.loads(text) if text.strip() else None
    return found


def _kubectl(*arguments: str, namespace: str = "default") -> str:
    done = _try_kubectl(*arguments, namespace=namespace)
    if done.returncode != 0:
        raise UnavailableError(
            "the cluster does not answer",
            got=done.stderr.strip().splitlines()[-1:] or done.returncode,
            hint="kubectl must reach it: look at KUBECONFIG and at `kubectl config current-context`",
        )
    return done.stdout


def _try_kubectl(*arguments: str, namespace: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return _run(["kubectl", "--namespace", namespace, *arguments], stdin)


def _run(command: list[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, check=False, timeout=_TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(
            f"{command[0]} does not end", where=command[1], got=f"{_TIMEOUT_SECONDS:.0f} s"
        ) from error
