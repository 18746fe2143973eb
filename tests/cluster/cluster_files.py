"""Command lines and configuration files of the cluster's programs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import yaml

NODE = "tritonkit"
HOST_LINK = "tritonkit0"
# A private network that neither this machine nor a cloud uses by default.
LINK_BITS = 24
HOST_ADDRESS = "10.217.0.1"
NODE_ADDRESS = "10.217.0.2"
POD_NETWORK = "10.217.64.0/18"
SERVICE_NETWORK = "10.217.128.0/18"
DNS_ADDRESS = "10.217.128.10"
API = f"https://{NODE_ADDRESS}:6443"

POD_ADDRESSES = Path("/var/lib/cni/networks/tritonkit-pods")
CNI_PLUGINS = Path("/usr/lib/cni")

_COREFILE = f""".:53 {{
    bind {NODE_ADDRESS}
    errors
    ready {NODE_ADDRESS}:8181
    kubernetes cluster.local {{
        kubeconfig {{run}}/kubeconfig
    }}
}}
"""

_CONTAINERD = """version = 2
root = "{root}"
state = "{run}/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.btrfs",
                    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]

[grpc]
  address = "{run}/containerd.sock"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/tritonkit-pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{run}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "runc"
"""


def write_all(run: Path, *, token: str, containerd_root: Path) -> None:
    """Writes every file that the programs below read into `run`."""
    (run / "cni").mkdir()
    (run / "cni" / "10-pods.conflist").write_text(_cni())
    (run / "containerd.toml").write_text(_CONTAINERD.format(root=containerd_root, run=run, plugins=CNI_PLUGINS))
    (run / "Corefile").write_text(_COREFILE.replace("{run}", str(run)))
    (run / "tokens.csv").write_text(f"{token},administrator,administrator,system:masters\n")
    (run / "tokens.csv").chmod(0o600)
    subprocess.run(["openssl", "genrsa", "-out", run / "accounts.key", "2048"], check=True, capture_output=True)
    _dump(run / "kubeconfig", _kubeconfig(run, token))
    _dump(run / "kubelet.yaml", _kubelet(run))
    _dump(run / "kube-proxy.yaml", _proxy(run))
    (run / "cluster-dns.yaml").write_text(yaml.safe_dump_all(_cluster_dns()))


def etcd(run: Path) -> list[str | Path]:
    """The store of the API server, in memory: nothing of it outlives the run."""
    data = Path("/dev/shm") / run.name
    peer, client = "http://127.0.0.1:2380", "http://127.0.0.1:2379"
    script = 'rm -rf "$1" && exec etcd --data-dir="$1" --name=default "${@:2}"'
    flags = [f"--listen-client-urls={client}", f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}"]
    flags += [f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}", "--log-level=warn"]
    return ["bash", "-c", script, f"{run}/etcd", data, *flags]


def apiserver(programs: Path, run: Path) -> list[str | Path]:
    """Makes its own certificate, which the kubeconfig trusts; one token is the administrator."""
    return [
        programs / "kube-apiserver",
        "--etcd-servers=http://127.0.0.1:2379",
        f"--bind-address={NODE_ADDRESS}",
        f"--advertise-address={NODE_ADDRESS}",
        f"--cert-dir={run}/certificates",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        f"--service-account-key-file={run}/accounts.key",
        f"--service-account-signing-key-file={run}/accounts.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--token-auth-file={run}/tokens.csv",
        "--authorization-mode=RBAC",
        "--allow-privileged=true",
        # The node's name is in no DNS.
        "--kubelet-preferred-address-types=InternalIP",
        "--enable-priority-and-fairness=false",
    ]


def others(programs: Path, run: Path) -> dict[str, list[str | Path]]:
    """What starts when the API server is there."""
    kubeconfig = f"--kubeconfig={run}/kubeconfig"
    return {
        "kube-controller-manager": [
            programs / "kube-controller-manager",
            kubeconfig,
            f"--service-account-private-key-file={run}/accounts.key",
            f"--root-ca-file={run}/certificates/apiserver.crt",
            "--leader-elect=false",
            # As on a cluster of many nodes, only sooner.
            "--horizontal-pod-autoscaler-sync-period=5s",
            f"--cert-dir={run}/certificates",
        ],
        "kube-scheduler": [
            programs / "kube-scheduler",
            kubeconfig,
            "--leader-elect=false",
            f"--cert-dir={run}/certificates",
        ],
        "kubelet": [
            programs / "kubelet",
            kubeconfig,
            f"--config={run}/kubelet.yaml",
            f"--root-dir={run}/kubelet",
            f"--cert-dir={run}/certificates",
            f"--hostname-override={NODE}",
            f"--node-ip={NODE_ADDRESS}",
        ],
        "kube-proxy": [programs / "kube-proxy", f"--config={run}/kube-proxy.yaml"],
        "coredns": [programs / "coredns", "-conf", f"{run}/Corefile"],
    }


def _cni() -> str:
    bridge = {
        "type": "bridge",
        "bridge": "pods",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(POD_ADDRESSES.parent),
            "ranges": [[{"subnet": POD_NETWORK}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    return json.dumps({"cniVersion": "0.4.0", "name": POD_ADDRESSES.name, "plugins": [bridge]})


def _kubeconfig(run: Path, token: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "test",
                "cluster": {"server": API, "certificate-authority": f"{run}/certificates/apiserver.crt"},
            }
        ],
        "users": [{"name": "administrator", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "administrator"}}],
        "current-context": "test",
    }


def _kubelet(run: Path) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        # Only this machine reaches the node's network.
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "address": NODE_ADDRESS,
        "containerRuntimeEndpoint": f"unix://{run}/containerd.sock",
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": "/tritonkit-cluster",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        # Lowering it needs a capability that a container's root lacks.
        "oomScoreAdj": 0,
        # A test machine may be full; its pods are removed with the run.
        "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "registerWithTaints": [],
        "podLogsDir": f"{run}/pod-logs",
    }


def _proxy(run: Path) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": f"{run}/kubeconfig"},
        "hostnameOverride": NODE,
        "mode": "iptables",
        "clusterCIDR": POD_NETWORK,
        "bindAddress": NODE_ADDRESS,
        # They are the whole machine's.
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "oomScoreAdj": 0,
    }


def _cluster_dns() -> list[dict[str, object]]:
    """The Service of the cluster's names, whose server runs on the node itself."""
    ports = [{"name": name, "port": 53, "protocol": name.upper()} for name in ("udp", "tcp")]
    metadata = {"name": "kube-dns", "namespace": "kube-system"}
    slice_metadata = {**metadata, "labels": {"kubernetes.io/service-name": "kube-dns"}}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"clusterIP": DNS_ADDRESS, "ports": ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": slice_metadata,
            "addressType": "IPv4",
            "ports": ports,
            "endpoints": [{"addresses": [NODE_ADDRESS], "conditions": {"ready": True}}],
        },
    ]


def _dump(path: Path, document: object) -> None:
    path.write_text(yaml.safe_dump(document))
    path.chmod(0o600)
