"""Where models come from, and that what is served was verified first."""

from __future__ import annotations

import pytest

from tests.helm.chart import MINIMAL, containers, merged, of_kind, pod_specs, render, render_profile

FETCHED = ("s3-identity", "s3-secret", "gcs", "azure", "air-gap")


def _pod(documents):
    return pod_specs(documents)["Deployment demo-tritonkit"]


def _variables(container):
    return {variable["name"]: variable for variable in container["env"]}


@pytest.mark.parametrize("profile", FETCHED)
def test_a_store_is_copied_and_then_verified(profile):
    pod = _pod(render_profile(profile))
    fetch, check = pod["initContainers"]
    assert (fetch["name"], check["name"]) == ("fetch", "verify")
    assert fetch["args"][:3] == ["copy", "models:models/efficientnet_lite0/7", "/models"]
    assert check["args"][:3] == ["verify", "/models", f"--model=efficientnet_lite0={'a' * 64}"]
    # Whoever verifies cannot change what it verifies.
    assert next(m for m in check["volumeMounts"] if m["name"] == "models")["readOnly"]


def test_a_volume_is_copied_by_digest():
    pod = _pod(render(MINIMAL))
    (check,) = pod["initContainers"]
    assert check["args"] == ["verify", "/source", f"--model=efficientnet_lite0={'a' * 64}", "--copy-to=/models"]
    assert check["volumeMounts"][0] == {
        "name": "source",
        "mountPath": "/source",
        "subPath": "model_repository",
        "readOnly": True,
    }
    assert all(mount["name"] != "source" for mount in pod["containers"][0]["volumeMounts"])


def test_a_volume_may_be_served_in_place():
    pod = _pod(render(merged(MINIMAL, {"modelSource": {"pvc": {"copy": False}}})))
    assert pod["initContainers"][0]["args"][-1].startswith("--model=")
    mount = pod["containers"][0]["volumeMounts"][0]
    assert mount == {"name": "models", "mountPath": "/models", "subPath": "model_repository", "readOnly": True}


def test_a_signature_is_demanded_by_its_key():
    pod = _pod(render_profile("s3-identity"))
    assert "--public-key=/signer/signing.pub" in pod["initContainers"][1]["args"]
    assert {"name": "signer", "configMap": {"name": "models-signer"}} in pod["volumes"]


@pytest.mark.parametrize("profile", ["s3-identity", "gcs", "azure"])
def test_an_identity_is_not_hidden_by_a_key(profile):
    documents = render_profile(profile)
    for pod in pod_specs(documents).values():
        for container in containers(pod):
            names = _variables(container).keys() - {"TRITONKIT_ADMIN_KEY"}
            assert not [n for n in names if "ACCESS_KEY" in n or "CREDENTIALS" in n or n.endswith("_KEY")]
    assert of_kind(documents, "ServiceAccount")[0]["metadata"]["annotations"]


def test_a_key_comes_from_an_existing_secret_alone():
    fetch = _pod(render_profile("s3-secret"))["initContainers"][0]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert _variables(fetch)[name]["valueFrom"]["secretKeyRef"] == {"name": "minio", "key": name}


def test_azure_workload_identity_is_asked_for():
    documents = render_profile("azure")
    labels = of_kind(documents, "Deployment")[0]["spec"]["template"]["metadata"]["labels"]
    assert labels["azure.workload.identity/use"] == "true"


def test_a_new_version_is_a_rollout_and_another_chart_version_is_none():
    before, after = (
        of_kind(render(merged(MINIMAL, {"models": [{"name": "m", "manifestSha256": digit * 64}]})), "Deployment")[0]
        for digit in "ab"
    )
    template = after["spec"]["template"]
    assert before["spec"]["template"]["metadata"]["annotations"] != template["metadata"]["annotations"]
    assert "helm.sh/chart" not in template["metadata"]["labels"]


@pytest.mark.parametrize("profile", ["minimal-cpu", *FETCHED, "baked", "image-volume"])
def test_the_test_hook_replays_the_golden_bundle_of_the_same_models(profile):
    documents = render_profile(profile)
    (hook,) = of_kind(documents, "Pod")
    assert hook["metadata"]["annotations"]["helm.sh/hook"] == "test"
    parity = hook["spec"]["containers"][0]
    urls = ["http://demo-tritonkit-http:8000", "grpc://demo-tritonkit-grpc:8001"]
    assert parity["args"] == ["parity", *urls, "--model=efficientnet_lite0", "--repository=/models"]
    served = {c["name"] for c in _pod(documents).get("initContainers", [])}
    assert served <= {c["name"] for c in hook["spec"]["initContainers"]}
    services = {service["metadata"]["name"] for service in of_kind(documents, "Service")}
    assert {"demo-tritonkit-http", "demo-tritonkit-grpc"} <= services


def test_every_image_of_an_air_gap_comes_from_its_registry():
    for pod in pod_specs(render_profile("air-gap")).values():
        assert pod["imagePullSecrets"] == [{"name": "mirror"}]
        assert all(c["image"].startswith("mirror.internal:5000/") for c in containers(pod))
