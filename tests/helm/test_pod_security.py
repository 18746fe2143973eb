"""Every pod that any profile renders is admitted by *restricted*, and writes nowhere but to sized volumes."""

from __future__ import annotations

import copy

import pytest

from tests.helm.chart import MINIMAL, PROFILES, containers, merged, pod_specs, render, render_profile
from tests.helm.pod_security import violations

GOOD = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {"name": "c", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
    ],
    "volumes": [{"name": "v", "emptyDir": {}}],
}


def _container(**changes):
    return lambda pod: pod["containers"][0]["securityContext"].update(changes)


BAD = {
    "host network": lambda pod: pod.update(hostNetwork=True),
    "host processes": lambda pod: pod.update(hostPID=True),
    "a host path": lambda pod: pod["volumes"].append({"name": "h", "hostPath": {"path": "/"}}),
    "a kind of volume of the future": lambda pod: pod["volumes"].append({"name": "h", "teleport": {}}),
    "an unsafe sysctl": lambda pod: pod["securityContext"].update(sysctls=[{"name": "kernel.msgmax", "value": "1"}]),
    "root": lambda pod: pod["securityContext"].update(runAsUser=0),
    "maybe root": lambda pod: pod["securityContext"].pop("runAsNonRoot"),
    "no seccomp": lambda pod: pod["securityContext"].pop("seccompProfile"),
    "unconfined": lambda pod: pod["securityContext"].update(seccompProfile={"type": "Unconfined"}),
    "SELinux": lambda pod: pod["securityContext"].update(seLinuxOptions={"type": "spc_t"}),
    "AppArmor": lambda pod: pod["securityContext"].update(appArmorProfile={"type": "Unconfined"}),
    "container as root": _container(runAsUser=0),
    "container that may be root": _container(runAsNonRoot=False),
    "escalation": lambda pod: pod["containers"][0]["securityContext"].pop("allowPrivilegeEscalation"),
    "privileged": _container(privileged=True),
    "kept capabilities": _container(capabilities={"drop": ["NET_RAW"]}),
    "added capabilities": _container(capabilities={"drop": ["ALL"], "add": ["SYS_PTRACE"]}),
    "unmasked /proc": _container(procMount="Unmasked"),
    "a host port": lambda pod: pod["containers"][0].update(ports=[{"containerPort": 1, "hostPort": 1}]),
    "another host's probe": lambda pod: pod["containers"][0].update(livenessProbe={"httpGet": {"host": "10.0.0.1"}}),
    "a bad init container": lambda pod: pod.update(initContainers=[{"name": "i"}]),
}  # fmt: skip


def test_the_evaluator_admits_a_good_pod():
    assert violations(GOOD) == []


@pytest.mark.parametrize("what", BAD)
def test_the_evaluator_refuses(what):
    pod = copy.deepcopy(GOOD)
    BAD[what](pod)
    assert violations(pod)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_pod_is_admitted(profile):
    specs = pod_specs(render_profile(profile))
    assert len(specs) >= 2  # a server and its test
    assert {name: violations(pod) for name, pod in specs.items()} == {name: [] for name in specs}


@pytest.mark.parametrize("profile", PROFILES)
def test_root_is_read_only_and_every_writable_volume_has_a_size(profile):
    for name, pod in pod_specs(render_profile(profile)).items():
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for container in containers(pod):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
            for mount in container.get("volumeMounts", []):
                volume = volumes[mount["name"]]
                if not mount.get("readOnly") and "persistentVolumeClaim" not in volume and "image" not in volume:
                    assert volume["emptyDir"]["sizeLimit"], f"{name} {container['name']} {mount['name']}"


@pytest.mark.parametrize("profile", PROFILES)
def test_no_pod_has_a_token_and_every_container_has_limits(profile):
    documents = render_profile(profile)
    for name, pod in pod_specs(documents).items():
        assert pod["automountServiceAccountToken"] is False, name
        assert all(c["resources"]["limits"]["memory"] for c in containers(pod)), name
    assert not [d for d in documents if d["kind"] in {"Secret", "Role", "ClusterRole", "RoleBinding"}]


def test_the_served_models_are_mounted_read_only():
    for profile in PROFILES:
        for name, pod in pod_specs(render_profile(profile)).items():
            for container in pod["containers"]:
                for mount in container["volumeMounts"]:
                    assert mount.get("readOnly") or mount["name"] != "models", f"{profile} {name}"


def test_openshift_names_no_user():
    pod = pod_specs(render_profile("openshift"))["Deployment demo-tritonkit"]
    assert pod["securityContext"].keys() == {"runAsNonRoot", "seccompProfile"}


def test_another_user_is_taken():
    pod = pod_specs(render(merged(MINIMAL, {"security": {"runAsUser": 20001}})))["Deployment demo-tritonkit"]
    assert pod["securityContext"]["runAsUser"] == 20001
