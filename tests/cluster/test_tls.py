"""TLS of the gRPC port: `helm test` with a certificate, and what happens without."""

from __future__ import annotations

import pytest

from tests.cluster.conftest import start_pod, write_certificates

pytestmark = pytest.mark.cluster
RELEASE = "sealed"
SECRET = "grpc-tls"
SERVICE = f"{RELEASE}-tritonkit-grpc"


@pytest.fixture(scope="module")
def secret(claimed, tmp_path_factory):
    """The name of a Secret whose certificate bears the Service's name."""
    folder = tmp_path_factory.mktemp("tls")
    write_certificates(folder, SERVICE)
    data = {name: (folder / name).read_text() for name in ("tls.crt", "tls.key", "ca.crt")}
    kind = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls"}
    claimed.apply(kind | {"metadata": {"name": SECRET}, "stringData": data})
    yield SECRET
    claimed.kubectl("delete", "secret", SECRET)


@pytest.fixture(scope="module")
def release(claimed, values, secret):
    claimed.upgrade(RELEASE, values(1, replicaCount=1, tls={"existingSecret": secret}))
    yield RELEASE
    claimed.helm("uninstall", RELEASE, "--wait", check=False)


def test_the_golden_bundle_is_answered_over_tls_then_over_mutual_tls_alone(claimed, release, values, secret, images):
    assert "Succeeded" in claimed.helm("test", release, "--logs").stdout
    claimed.upgrade(release, values(1, replicaCount=1, tls={"existingSecret": secret, "mutual": True}))
    assert "Succeeded" in claimed.helm("test", release, "--logs").stdout
    volumes = [{"name": "tls", "secret": {"secretName": secret}}]
    start_pod(claimed, "caller", images.kit.name, ["sleep", "600"], volumes=volumes, mounts={"tls": "/tls"})
    try:
        ask = ["exec", "caller", "--", "tritonkit", "health", f"grpcs://{SERVICE}:8001", "--ca=/tls/ca.crt"]
        own = ["--certificate=/tls/tls.crt", "--key=/tls/tls.key"]
        assert claimed.kubectl(*ask, *own, check=False).returncode == 0
        refused = claimed.kubectl(*ask, check=False)
        assert refused.returncode == 1
        assert "not reachable" in refused.stdout
    finally:
        claimed.kubectl("delete", "pod", "caller", "--grace-period=0", "--force")
