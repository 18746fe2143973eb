"""The Pod Security Standard *restricted*, as a function over a pod spec.

Each rule is one of the controls of https://kubernetes.io/docs/concepts/security/pod-security-standards/ (baseline and
restricted, Linux pods). Nothing of Kubernetes is imported: what is read is the text that a cluster would get.
"""

from __future__ import annotations

from typing import Any

Pod = dict[str, Any]

_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}
_SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


def violations(pod: Pod) -> list[str]:
    """What of `pod` *restricted* refuses, one sentence each; empty if it would be admitted."""
    found = [*_of_pod(pod)]
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in pod.get(kind, []):
            found += [f"{container['name']}: {problem}" for problem in _of_container(pod, container)]
    return found


def _of_pod(pod: Pod) -> list[str]:
    context = pod.get("securityContext", {})
    found = [f"{key} is true" for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key)]
    for volume in pod.get("volumes", []):
        kinds = volume.keys() - {"name"}
        found += [f"volume {volume['name']} is of kind {kind}" for kind in kinds - _VOLUMES]
    names = [sysctl["name"] for sysctl in context.get("sysctls", [])]
    found += [f"sysctl {name} is unsafe" for name in names if name not in _SAFE_SYSCTLS]
    if context.get("runAsUser") == 0:
        found.append("runAsUser is 0")
    if context.get("windowsOptions", {}).get("hostProcess"):
        found.append("hostProcess is true")
    return found + _of_selinux(context)


def _of_container(pod: Pod, container: Pod) -> list[str]:
    context, outer = container.get("securityContext", {}), pod.get("securityContext", {})
    capabilities = context.get("capabilities", {})
    found = []
    if context.get("privileged"):
        found.append("privileged is true")
    if context.get("allowPrivilegeEscalation") is not False:
        found.append("allowPrivilegeEscalation is not false")
    if context.get("runAsNonRoot", outer.get("runAsNonRoot")) is not True:
        found.append("runAsNonRoot is not true")
    if context.get("runAsUser") == 0:
        found.append("runAsUser is 0")
    if "ALL" not in capabilities.get("drop", []):
        found.append("capabilities are not all dropped")
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        found.append("capabilities are added")
    profile = context.get("seccompProfile", outer.get("seccompProfile", {})).get("type")
    if profile not in {"RuntimeDefault", "Localhost"}:
        found.append(f"the seccomp profile is {profile}")
    if context.get("procMount", "Default") != "Default":
        found.append("procMount is not Default")
    if context.get("appArmorProfile", outer.get("appArmorProfile", {})).get("type") == "Unconfined":
        found.append("the AppArmor profile is Unconfined")
    found += [f"host port {port['hostPort']}" for port in container.get("ports", []) if port.get("hostPort")]
    found += _of_probes(container)
    return found + _of_selinux(context)


def _of_probes(container: Pod) -> list[str]:
    """Probes and hooks may not name another host (since Kubernetes 1.34)."""
    handlers = [container.get(f"{kind}Probe", {}) for kind in ("liveness", "readiness", "startup")]
    handlers += container.get("lifecycle", {}).values()
    hosts = [handler.get(way, {}).get("host") for handler in handlers for way in ("httpGet", "tcpSocket")]
    return [f"a probe names the host {host}" for host in hosts if host]


def _of_selinux(context: Pod) -> list[str]:
    options = context.get("seLinuxOptions", {})
    found = [f"SELinux {key} is set" for key in ("user", "role") if options.get(key)]
    if options.get("type", "") not in _SELINUX_TYPES:
        found.append(f"SELinux type {options['type']}")
    return found
