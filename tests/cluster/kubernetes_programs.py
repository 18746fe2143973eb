"""Kubernetes' own programs, built from its source as a Go module and kept in the kit's cache by content."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.helm.programs import CACHE, locked

SOURCE = Path(__file__).parent / "kubernetes"
VERSION = "v1.36.3"
PACKAGES = (
    "./pause",
    "./coredns",
    "k8s.io/kubernetes/cmd/kubelet",
    "k8s.io/kubernetes/cmd/kube-apiserver",
    "k8s.io/kubernetes/cmd/kube-controller-manager",
    "k8s.io/kubernetes/cmd/kube-scheduler",
    "k8s.io/kubernetes/cmd/kube-proxy",
)
# What a program says of itself: without it the server is of version 0, and a chart's `kubeVersion` refuses it.
_VERSIONS = " ".join(
    f"-X {package}.{name}={value}"
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    for name, value in (
        ("gitVersion", VERSION),
        ("gitMajor", VERSION[1:].split(".", maxsplit=1)[0]),
        ("gitMinor", VERSION.split(".")[1]),
    )
)


def kubernetes_programs() -> Path:
    """The folder with the programs; takes about ten minutes of two cores the first time, and 6 GB while it lasts."""
    go = shutil.which("go")
    assert go is not None, "go is not on PATH: Kubernetes is built from its source (Go 1.26 or later, go.dev/dl)"
    version = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()
    folder = CACHE.parent / "cluster" / f"kubernetes-{_key(version)}"
    with locked("kubernetes"):
        if not (folder / "complete").exists():
            folder.mkdir(parents=True, exist_ok=True)
            for package in PACKAGES:
                _build(go, package, folder)
            # Gigabytes that nobody asks for again.
            shutil.rmtree(_build_cache(), ignore_errors=True)
            (folder / "complete").touch()
    return folder


def _build(go: str, package: str, folder: Path) -> None:
    print(f"building {package} {VERSION}", flush=True)
    subprocess.run(
        ["nice", "-n", "10", go, "build", "-trimpath", "-ldflags", f"-s -w {_VERSIONS}", "-o", f"{folder}/", package],
        cwd=SOURCE,
        env=os.environ
        | {
            "CGO_ENABLED": "0",
            "GOCACHE": str(_build_cache()),
            "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false",
            "GOMODCACHE": str(CACHE / "go"),
            "GOWORK": "off",
        },
        check=True,
        timeout=1800,
    )


def _build_cache() -> Path:
    return CACHE.parent / "cluster" / "go-build"


def _key(go_version: str) -> str:
    sources = sorted(path for path in SOURCE.rglob("*") if path.is_file())
    content = "".join(f"{path.relative_to(SOURCE)}\n{path.read_text()}\n" for path in sources)
    return hashlib.sha256(f"{go_version}\n{PACKAGES}\n{_VERSIONS}\n{content}".encode()).hexdigest()[:16]
