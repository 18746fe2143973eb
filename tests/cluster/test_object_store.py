"""Models from an S3 store in the cluster: copied into the pod, verified there, and refused if they were changed."""

from __future__ import annotations

import pytest

from tests.candidates import NAME
from tests.cluster.conftest import put_repository, start_pod
from tests.cluster.kubernetes_client import is_ready, wait_until
from tritonkit.repository.layout import read_manifest
from tritonkit.repository.verify import copy_verified

pytestmark = pytest.mark.cluster
RELEASE = "stored"
STORE = "store"
PORT = 5000
PREFIX = f"{NAME}/1"
_REMOTE = f":s3,provider=Other,endpoint='http://127.0.0.1:{PORT}',access_key_id=key,secret_access_key=secret:models"


@pytest.fixture(scope="module")
def store(claimed, images, published, tmp_path_factory):
    """A store that holds version 1, served, under its prefix; the name of its Secret."""
    repository = tmp_path_factory.mktemp("stored") / "model_repository"
    repository.mkdir()
    copy_verified(published.repository, NAME, repository, published.manifests[1])
    command = ["moto_server", "-H", "0.0.0.0", "-p", str(PORT)]
    labels = {"app": STORE}
    start_pod(claimed, STORE, images.tools.name, command, labels=labels)
    put_repository(claimed, STORE, repository, "/tmp")
    ports = [{"name": "http", "port": PORT}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": STORE}}
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": STORE}, "stringData": keys}
    claimed.apply(service | {"spec": {"selector": labels, "ports": ports}}, secret)

    def copied():
        command = ["rclone", "copy", "/tmp/model_repository", f"{_REMOTE}/{PREFIX}"]
        return claimed.kubectl("exec", STORE, "--", *command, check=False).returncode == 0

    wait_until("the store takes the repository", copied)
    yield STORE
    claimed.kubectl("delete", "pod,service,secret", STORE, "--grace-period=0", "--force")


@pytest.fixture(scope="module")
def release(claimed, values, images, store):
    source = {
        "type": "s3",
        "sizeLimit": "256Mi",
        "s3": {
            "bucket": "models",
            "prefix": PREFIX,
            "endpoint": f"http://{STORE}:{PORT}",
            "existingSecret": {"name": store},
        },
        "fetch": {"image": images.tools.values()},
    }
    network = {"clients": [{"podSelector": {}}], "store": {"cidrs": ["10.0.0.0/8"], "port": PORT}}
    claimed.upgrade(RELEASE, values(1, modelSource=source, replicaCount=1, networkPolicy=network))
    yield RELEASE
    claimed.helm("uninstall", RELEASE, "--wait", check=False)


def test_the_golden_bundle_of_a_store_answers_over_both_protocols(claimed, release):
    assert "Succeeded" in claimed.helm("test", release, "--logs").stdout


def test_a_changed_object_starts_no_server(claimed, release, published):
    parts = read_manifest(published.repository / NAME / "1").parts
    (part,) = (part.name for part in parts if part.backend != "python")
    claimed.kubectl("exec", "-i", STORE, "--", "rclone", "rcat", f"{_REMOTE}/{PREFIX}/{part}/1/model.onnx", stdin="x")
    (before,) = claimed.pods(release)
    claimed.kubectl("delete", "pod", before["metadata"]["name"], "--grace-period=0", "--force")

    def refused():
        return any("model.onnx" in _said_by_verify(claimed, pod) for pod in claimed.pods(release))

    wait_until("the new pod was refused its models", refused)
    assert not [pod for pod in claimed.pods(release) if is_ready(pod)]


def _said_by_verify(kubernetes, pod):
    """Nothing while it waits for its turn, or has just been started again."""
    return kubernetes.kubectl("logs", pod["metadata"]["name"], "-c", "verify", check=False).stdout
