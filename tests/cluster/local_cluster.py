"""A Kubernetes of one node with real pods, in a network namespace of its own: what `kind` would give, without docker.

Every program runs as a process of this machine, logs into the run's folder and dies with the test. A run that was
killed leaves pods; the next one removes them first.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster import cluster_files as files
from tests.helm.programs import CACHE, program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUN = Path("/run/tritonkit-cluster")
"""Sockets, whose paths may not be long, and everything else that ends with the cluster."""

NAMESPACE = "tritonkit-cluster"
CGROUP = "tritonkit-cluster"
START_SECONDS = 180.0


@contextlib.contextmanager
def local_cluster(programs: Path, pause_archive: Path) -> Iterator[Path]:
    """Yields the kubeconfig of a new cluster whose node is ready; everything is gone afterwards.

    Args:
        programs: the folder with Kubernetes' programs.
        pause_archive: the image that holds a pod's namespaces open.
    """
    assert os.geteuid() == 0, "a node's kubelet needs root; or set KUBECONFIG to a cluster that is there"
    with _alone():
        _remove_everything()
        RUN.mkdir()
        processes: dict[str, subprocess.Popen[bytes]] = {}
        try:
            _make_control_groups()
            _make_network()
            _start(programs, pause_archive, processes)
            yield RUN / "kubeconfig"
        finally:
            for process in processes.values():
                process.kill()
                process.wait()
            _keep_logs()
            _remove_everything()


def import_image(archive: Path) -> None:
    """Brings an image to the node."""
    _ctr("images", "import", str(archive))


def node_process(command: list[str | Path], name: str) -> subprocess.Popen[bytes]:
    """Starts a program on the node: in its network, its log in the run's folder, dying with this process."""
    log = (RUN / f"{name}.log").open("wb")
    try:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "nsenter", f"--net=/run/netns/{NAMESPACE}", *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=RUN,
            env={"PATH": os.environ["PATH"], "HOME": str(RUN), "RUN": str(RUN)},
        )
    finally:
        log.close()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One cluster a machine: its addresses, its folder and its control group have fixed names."""
    with Path("/run/tritonkit-cluster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_network() -> None:
    for command in (
        f"netns add {NAMESPACE}",
        f"link add {files.HOST_LINK} type veth peer name uplink netns {NAMESPACE}",
        f"address add {files.HOST_ADDRESS}/{files.LINK_BITS} dev {files.HOST_LINK}",
        f"link set {files.HOST_LINK} up",
        f"-n {NAMESPACE} link set lo up",
        f"-n {NAMESPACE} address add {files.NODE_ADDRESS}/{files.LINK_BITS} dev uplink",
        f"-n {NAMESPACE} link set uplink up",
        # The kubelet takes its node's address from the default route.
        f"-n {NAMESPACE} route add default via {files.HOST_ADDRESS}",
    ):
        subprocess.run(["ip", *command.split()], check=True)
    # Pods reach Services over the bridge, where kube-proxy's rules must see them.
    settings = ["net.ipv4.ip_forward=1", "net.bridge.bridge-nf-call-iptables=1"]
    subprocess.run(["nsenter", f"--net=/run/netns/{NAMESPACE}", "sysctl", "-qw", *settings], check=True)


def _make_control_groups() -> None:
    """The parent of all pods' groups, which the kubelet wants to find: in one hierarchy, or in one a controller."""
    root = Path("/sys/fs/cgroup")
    hierarchies = [root] if (root / "cgroup.controllers").exists() else [p for p in root.iterdir() if p.is_dir()]
    for hierarchy in hierarchies:
        (hierarchy / CGROUP).mkdir(exist_ok=True)


def _start(programs: Path, pause_archive: Path, processes: dict[str, subprocess.Popen[bytes]]) -> None:
    token = secrets.token_hex(16)
    files.write_all(RUN, token=token, containerd_root=CACHE.parent / "cluster" / "containerd")
    kubeconfig = RUN / "kubeconfig"
    processes["etcd"] = node_process(files.etcd(RUN), "etcd")
    processes["containerd"] = node_process(["containerd", "--config", RUN / "containerd.toml"], "containerd")
    processes["kube-apiserver"] = node_process(files.apiserver(programs, RUN), "kube-apiserver")
    _wait("containerd", lambda: _succeeds(_ctr_command("version")), processes)
    import_image(pause_archive)
    kubectl = [str(program("kubectl")), "--kubeconfig", str(kubeconfig)]
    _wait("the API server", lambda: _succeeds([*kubectl, "get", "--raw", "/readyz"]), processes)
    for name, command in files.others(programs, RUN).items():
        processes[name] = node_process(command, name)
    subprocess.run([*kubectl, "apply", "-f", RUN / "cluster-dns.yaml"], check=True, stdout=subprocess.DEVNULL)
    node_ready = [*kubectl, "wait", "--for=condition=Ready", f"node/{files.NODE}", "--timeout=1s"]
    _wait("the node", lambda: _succeeds(node_ready), processes)
    account = [*kubectl, "get", "serviceaccount", "default", "--namespace", "default"]
    _wait("the controllers", lambda: _succeeds(account), processes)


def _wait(what: str, is_ready: Callable[[], bool], processes: dict[str, subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_ready():
        for name, process in processes.items():
            assert process.poll() is None, f"{name} ended with status {process.returncode}:\n{_tail(name)}"
        assert time.monotonic() < deadline, f"{what} is not ready after {START_SECONDS:.0f} s:\n{_tail(*processes)}"
        time.sleep(0.25)


def _tail(*names: str) -> str:
    return "\n".join(f"{name}: {(RUN / f'{name}.log').read_text()[-1500:]}" for name in names)


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def _ctr_command(*arguments: str) -> list[str]:
    return ["ctr", "--address", str(RUN / "containerd.sock"), "--namespace", "k8s.io", *arguments]


def _ctr(*arguments: str) -> None:
    done = subprocess.run(_ctr_command(*arguments), capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr


def _keep_logs() -> None:
    """Moves the logs to where a person who looks for a fault finds them."""
    kept = CACHE.parent / "cluster" / "logs"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for log in RUN.glob("*.log"):
        shutil.copy2(log, kept)


def _remove_everything() -> None:
    """Ends every process of the cluster and takes away its mounts, control groups, networks and files."""
    if not RUN.exists() and not Path("/run/netns", NAMESPACE).exists():
        return
    deadline = time.monotonic() + 60
    while processes := [*_processes_of_the_run(), *_processes_in_pods()]:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        assert time.monotonic() < deadline, f"processes do not end: {processes}"
        time.sleep(0.1)
    for mount in _mounts():
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
    for group in _control_groups():
        with contextlib.suppress(OSError):
            group.rmdir()
    # Pods' own network namespaces are pinned by files that are named after the plugins.
    pods = [path.name for path in Path("/run/netns").glob("cni-*")]
    for namespace in (NAMESPACE, *pods):
        subprocess.run(["ip", "netns", "delete", namespace], check=False, capture_output=True)
    subprocess.run(["ip", "link", "delete", files.HOST_LINK], check=False, capture_output=True)
    shutil.rmtree(files.POD_ADDRESSES, ignore_errors=True)
    shutil.rmtree(RUN, ignore_errors=True)


def _processes_of_the_run() -> list[int]:
    """Those whose command line names the run's folder: the node's programs, and the shims of its containers."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{RUN}/".encode() in (entry / "cmdline").read_bytes() and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def _processes_in_pods() -> list[int]:
    found = []
    for group in _control_groups():
        with contextlib.suppress(OSError):
            found += [int(line) for line in (group / "cgroup.procs").read_text().split()]
    return found


def _control_groups() -> list[Path]:
    """Those of the cluster's pods, the innermost first: one hierarchy, or one a controller."""
    root = Path("/sys/fs/cgroup")
    tops = [path for path in (root / CGROUP, *root.glob(f"*/{CGROUP}")) if path.is_dir()]
    return [path for top in tops for path in sorted((p for p in (top, *top.rglob("*")) if p.is_dir()), reverse=True)]


def _mounts() -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    points = [line.split()[1] for line in lines]
    return [point for point in reversed(points) if point.startswith(f"{RUN}/")]
