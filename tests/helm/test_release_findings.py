"""`tritonkit doctor --release`: what can be said of rendered objects and of nodes as a cluster describes them."""

from __future__ import annotations

import pytest

from tests.helm.chart import merged, of_kind, profile_values, render, render_profile
from tritonkit.commands.node_fit import quantity, room
from tritonkit.commands.release_findings import Reference, node_finding, references

GPU_LABELS = {
    "nvidia.com/gpu.compute.major": "8",
    "nvidia.com/gpu.compute.minor": "9",
    "nvidia.com/cuda.driver-version.major": "580",
    "nvidia.com/gpu.product": "NVIDIA-L4",
}


def _node(*, labels=GPU_LABELS, taints=(), cordoned=False, **allocatable):
    resources = {"cpu": "16", "memory": "64Gi", "pods": "110", "nvidia.com/gpu": "2"} | allocatable
    spec = {"taints": list(taints), "unschedulable": cordoned}
    return {"metadata": {"labels": labels}, "spec": spec, "status": {"allocatable": resources}}


def _l4(**changes):
    values = merged(profile_values("gpu-profiles"), changes)
    return next(d for d in of_kind(render(values), "Deployment") if d["metadata"]["name"].endswith("-l4"))


@pytest.mark.parametrize(
    ("text", "number"), [("500m", 0.5), ("2", 2.0), ("8Gi", 8 * 2**30), ("1.5M", 1.5e6), ("100Ki", 102400.0)]
)
def test_quantities_are_numbers(text, number):
    assert quantity(text) == pytest.approx(number)


def test_a_node_that_fits_is_counted_by_its_scarcest_resource():
    pod = _l4()["spec"]["template"]["spec"]
    assert room(pod, _node()) == 2
    assert room(pod, _node(**{"nvidia.com/gpu": "8", "memory": "9Gi"})) == 2
    assert room(pod, _node(pods="1")) == 1


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (_node(labels={}), "nvidia.com/gpu.product is no label, wanted In NVIDIA-L4"),
        (_node(labels=GPU_LABELS | {"nvidia.com/gpu.product": "NVIDIA-A10"}), "product is NVIDIA-A10, wanted In"),
        (_node(labels=GPU_LABELS | {"nvidia.com/cuda.driver-version.major": "550"}), "is 550, wanted Gt 579"),
        (_node(cordoned=True), "cordoned"),
        (_node(taints=[{"key": "team", "value": "a", "effect": "NoSchedule"}]), "tainted team:NoSchedule"),
        (_node(memory="2Gi"), "memory is 2Gi, a pod wants 4096Mi"),
        (_node(**{"nvidia.com/gpu": "0"}), "nvidia.com/gpu is 0, a pod wants 1"),
    ],
)
def test_the_reason_of_a_node_that_does_not_fit_is_told(node, reason):
    finding = node_finding(_l4(), [node])
    assert finding.verdict == "fails"
    assert reason in finding.detail
    assert "1 of 1" in finding.detail


def test_a_taint_of_gpus_is_tolerated_and_a_rollout_wants_a_place_more():
    tainted = _node(taints=[{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}])
    finding = node_finding(_l4(), [tainted])
    assert finding.verdict == "note"
    assert "rollout.spareReplicas" in finding.advice
    assert node_finding(_l4(), [tainted, tainted]).verdict == "ok"
    assert node_finding(_l4(rollout={"spareReplicas": 0}), [tainted]).verdict == "ok"
    assert node_finding(_l4(), []).detail == "there is no node"
    one = _node(**{"nvidia.com/gpu": "1"})
    assert node_finding(_l4(), [one]).verdict == "fails"


def test_what_pods_refer_to_is_found_but_for_what_the_chart_makes():
    found = references(render_profile("s3-secret"))
    assert Reference(kind="Secret", name="minio", key="AWS_ACCESS_KEY_ID") in found
    assert not [reference for reference in found if reference.kind == "ServiceAccount"]
    production = references(render_profile("production"))
    assert Reference(kind="Secret", name="triton-admin", key="key") in production
    own = render(merged(profile_values("minimal-cpu"), {"serviceAccount": {"create": False, "name": "mine"}}))
    assert Reference(kind="ServiceAccount", name="mine") in references(own)
    assert [r.name for r in references(own) if r.kind == "PersistentVolumeClaim"]
