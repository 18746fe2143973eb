"""A cluster, images, and a namespace with a volume that holds three versions of a small model."""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import tarfile
import uuid
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.candidates import NAME, make_candidate, picture
from tests.cluster.choice import some_cluster
from tests.cluster.container_images import Images, build_images
from tests.cluster.kubernetes_client import Document, Kubernetes
from tests.cluster.local_cluster import RUN
from tests.helm.custom_resources import custom_resources
from tritonkit.repository.digests import file_digest
from tritonkit.repository.layout import read_manifest
from tritonkit.repository.publish import check_candidate, publish

if TYPE_CHECKING:
    from collections.abc import Iterator

BAD = 3
"""The version whose network is not, in the volume, what was proven."""

SECURE_POD: Document = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "runAsGroup": 1000,
    "fsGroup": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}
SECURE_CONTAINER: Document = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A repository with versions 1, 2 and a bad one.

    Attributes:
        repository: its folder.
        manifests: sha256 of each version's manifest, by version.
    """

    repository: Path
    manifests: dict[int, str]


@pytest.fixture(scope="session")
def published(tmp_path_factory) -> Published:
    work = tmp_path_factory.mktemp("published")
    repository = work / "model_repository"
    for version in (1, 2, BAD):
        publish(check_candidate(make_candidate(work / f"candidate_{version}", version)), repository)
    # What a disk or a hand may do to a volume.
    parts = read_manifest(repository / NAME / str(BAD)).parts
    (part,) = (part.name for part in parts if part.backend != "python")
    with (repository / part / "1" / "model.onnx").open("ab") as network:
        network.write(b"\0")
    manifests = {v: file_digest(repository / NAME / str(v) / "manifest.json") for v in (1, 2, BAD)}
    return Published(repository=repository, manifests=manifests)


@pytest.fixture(scope="session")
def images(published) -> Images:
    return build_images(published.repository / NAME / "1")


@pytest.fixture(scope="session")
def kubeconfig(images, tmp_path_factory) -> Iterator[Path]:
    """KUBECONFIG, else a kind cluster where docker runs, else a node of our own."""
    with some_cluster(tmp_path_factory.mktemp("kubeconfig")) as cluster:
        for image in (images.triton, images.kit, images.tools):
            cluster.import_archive(image.archive)
        yield cluster.kubeconfig


@pytest.fixture(scope="session")
def claimed(kubeconfig, images, published) -> Iterator[Kubernetes]:
    """A namespace under the restricted Pod Security Standard, with a claim that holds the repository."""
    kubernetes = Kubernetes(kubeconfig=kubeconfig, namespace=f"serving-{uuid.uuid4().hex[:6]}")
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kubernetes.namespace, "labels": labels}}
    kubernetes.apply(namespace)
    try:
        _fill_claim(kubernetes, images, published)
        yield kubernetes
    finally:
        kubernetes.kubectl("delete", "namespace", kubernetes.namespace, "--wait=true", check=False)
        kubernetes.kubectl("delete", "persistentvolume", kubernetes.namespace, "--ignore-not-found", check=False)


@pytest.fixture(scope="session")
def node(kubeconfig) -> str:
    """A node that tests may cordon and patch."""
    if os.environ.get("KUBECONFIG"):
        pytest.skip("the cluster of KUBECONFIG has other users: its nodes are neither cordoned nor patched")
    cluster = Kubernetes(kubeconfig=kubeconfig, namespace="default")
    name: str = cluster.get("nodes")["items"][0]["metadata"]["name"]
    return name


@pytest.fixture(scope="session")
def routes(claimed) -> Iterator[None]:
    """The API of Gateways is there."""
    with _defined(claimed, "gateway.networking.k8s.io"):
        yield


@pytest.fixture(scope="session")
def operator(claimed) -> Iterator[None]:
    """The API of the Prometheus operator is there."""
    with _defined(claimed, "monitoring.coreos.com"):
        yield


@contextlib.contextmanager
def _defined(kubernetes: Kubernetes, group: str) -> Iterator[None]:
    """What the cluster already knows is left as it is."""
    known = {item["metadata"]["name"] for item in kubernetes.get("customresourcedefinitions")["items"]}
    missing = [crd for crd in custom_resources(group) if crd["metadata"]["name"] not in known]
    names = [f"customresourcedefinition/{crd['metadata']['name']}" for crd in missing]
    if missing:
        kubernetes.apply(*missing)
        kubernetes.kubectl("wait", "--for=condition=Established", *names, "--timeout=60s")
    yield
    if missing:
        kubernetes.kubectl("delete", *names)


def _fill_claim(kubernetes: Kubernetes, images: Images, published: Published) -> None:
    spec: Document = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    if not kubernetes.get("storageclasses")["items"]:
        # A node of our own provides no volumes by itself.
        folder = RUN / "volume"
        folder.mkdir()
        folder.chmod(0o777)
        volume = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": str(folder)}}
        meta = {"name": kubernetes.namespace}
        kubernetes.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": meta, "spec": volume})
        spec |= {"storageClassName": "", "volumeName": kubernetes.namespace}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "models"}, "spec": spec}
    kubernetes.apply(claim)
    volumes = [{"name": "models", "persistentVolumeClaim": {"claimName": "models"}}]
    start_pod(kubernetes, "loader", images.tools.name, ["sleep", "3600"], volumes=volumes, mounts={"models": "/volume"})
    put_repository(kubernetes, "loader", published.repository, "/volume")
    kubernetes.kubectl("delete", "pod", "loader", "--grace-period=0", "--force")


def put_repository(kubernetes: Kubernetes, pod: str, repository: Path, into: str) -> None:
    """Puts a repository into the folder `into` of a pod, where it is called `model_repository`."""
    archive = BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(repository, "model_repository")
    unpack = ["exec", "-i", pod, "--", "tar", "-x", "--no-same-owner", "-C", into]
    kubernetes.kubectl(*unpack, stdin=archive.getvalue())


def write_certificates(folder: Path, name: str) -> None:
    """Writes ca.crt, and tls.crt and tls.key for a server of that name, into `folder`."""
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    authority = [*new, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test authority"]
    signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-keyout", "tls.key", "-out", "tls.crt", "-subj", f"/CN={name}"]
    names = ["-addext", f"subjectAltName=DNS:{name}", "-addext", "basicConstraints=critical,CA:FALSE"]
    for command in (authority, [*new, *signed, *names]):
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)


def start_pod(
    kubernetes: Kubernetes,
    name: str,
    image: str,
    command: list[str],
    *,
    volumes: list[Document] = (),
    mounts: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
) -> None:
    """Starts a pod of one container that the restricted standard admits, and waits until it runs.

    Args:
        kubernetes: where.
        name: of the pod.
        image: of its container.
        command: in the place of the image's entry point.
        volumes: as in a pod.
        mounts: path by volume.
        labels: of the pod.
    """
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "securityContext": SECURE_CONTAINER,
        "volumeMounts": [{"name": volume, "mountPath": path} for volume, path in (mounts or {}).items()],
    }
    spec = {
        "containers": [container],
        "volumes": list(volumes),
        "restartPolicy": "Never",
        "securityContext": SECURE_POD,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
    }
    metadata = {"name": name, "labels": labels or {}}
    kubernetes.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    kubernetes.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=120s")


@pytest.fixture(scope="session")
def values(images, published):
    """The values of a release that serves one of the versions."""

    def of_version(version: int, **changes: object) -> Document:
        return {
            "image": images.triton.values()
            | {"release": "24.10", "acceptOldRelease": "the server of the wheel, in a cluster of this machine alone"},
            "kitImage": images.kit.values(),
            "models": [{"name": NAME, "manifestSha256": published.manifests[version]}],
            "modelSource": {
                "type": "pvc",
                "sizeLimit": "256Mi",
                "pvc": {"claimName": "models", "subPath": "model_repository"},
            },
            "gpu": {"mode": "none"},
            "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
            "kitResources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
            "replicaCount": 2,
            "probes": {"periodSeconds": 2, "timeoutSeconds": 2},
            "termination": {"preStopSeconds": 6, "drainSeconds": 5, "unloadSeconds": 5},
            # Shorter than the time before SIGTERM: every connection has moved to another pod by then.
            "triton": {"grpcMaxConnectionAgeMs": 2000},
            "networkPolicy": {"clients": [{"podSelector": {}}]},
            **changes,
        }

    return of_version


@pytest.fixture(scope="session")
def client_files(claimed) -> str:
    """The name of the ConfigMap with what a pod that asks needs."""
    script = (Path(__file__).parent / "steady_requests.py").read_text()
    binary = {"picture.png": base64.b64encode(picture()).decode()}
    metadata = {"name": "steady-requests"}
    data = {"steady_requests.py": script}
    claimed.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data, "binaryData": binary})
    return "steady-requests"
