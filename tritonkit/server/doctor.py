"""Looks at this machine, and at a repository against it, and says what would fail before it fails."""

from __future__ import annotations

import ast
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tritonkit.repository.config import parse_config
from tritonkit.repository.lint import lint_repository
from tritonkit.server.environment import existing_environment
from tritonkit.server.machine import docker_way, this_machine, why_not
from tritonkit.server.process import SHARED_MEMORY, stale_regions
from tritonkit.server.runtimes.container import has_gpu
from tritonkit.server.served import OWN_PACKAGES, model_folders, served_models
from tritonkit.spec.cache_root import cache_root
from tritonkit.spec.errors import InputError
from tritonkit.spec.ngc import WHEEL_RELEASE
from tritonkit.spec.ngc import release as find_release

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tritonkit.repository.config import ModelConfig

Verdict = Literal["ok", "note", "fails"]

USUAL_PORTS = (8000, 8001, 8002)
# The environment: a virtual environment with ONNX Runtime, numpy and the server's wheel.
ENVIRONMENT_BYTES = 600_000_000
# The 2.51 server takes 1 MB for each instance of a Python model at its start, and grows by 1 MB.
REGION_BYTES = 1_048_576
DEFAULT_INSTANCES = {"onnxruntime": 2}
NEWER_FIELD_RULE = "config-newer-field"
LOCAL_BACKENDS = frozenset({"python", "onnxruntime"})
# What a model may import although no package of that name is installed.
_GIVEN_MODULES = frozenset({"triton_python_backend_utils", "numpy", "PIL", "onnxruntime"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what.
        verdict: `fails` when serving here will fail by it; a `note` is worth knowing.
        detail: what was found.
        advice: what to do; empty when there is nothing to do.
    """

    subject: str
    verdict: Verdict
    detail: str
    advice: str = ""


def examine_machine(release: str) -> tuple[Finding, ...]:
    """What of this machine decides whether and how a Triton that stands for `release` runs here."""
    return (
        _system(release),
        _environment(release),
        _disk(),
        _shared_memory(0),
        _stale_memory(),
        _ports(),
        _gpu(),
        _engines(),
    )


def examine_repository(repository: Path, release: str) -> tuple[Finding, ...]:
    """What of `repository` this machine's server, standing for `release`, cannot serve.

    Raises:
        InputError: there is no such folder, or it holds no model.
    """
    served = served_models(repository)
    folders = model_folders(repository)
    configs = {folder.name: _config(folder) for folder in folders}
    known = {name: config for name, config in configs.items() if config is not None}
    findings = [
        *_lint(repository, release),
        Finding(subject="served models", verdict="ok", detail=", ".join(served.names) or "none"),
        _shared_memory(sum(_instances(config) for config in known.values() if _runs_in_python(config))),
        *(_backend(name, config) for name, config in known.items() if _backend_name(config) not in LOCAL_BACKENDS),
        *(finding for folder in folders for finding in _imports(folder, served.packages)),
    ]
    if os.access(repository, os.W_OK):
        return tuple(findings)
    return (*findings, Finding(subject="repository", verdict="ok", detail="read-only, which serving does not mind"))


def _lint(repository: Path, release: str) -> Iterator[Finding]:
    """What lint finds for the release, and the fields that are too new for the server of the wheel alone."""
    checks = ((find_release(release), None), (find_release(WHEEL_RELEASE), NEWER_FIELD_RULE))
    seen: set[tuple[str, str, str]] = set()
    for target, only in checks:
        for model in lint_repository(repository, target).models:
            for problem in model.problems:
                place = (problem.file, problem.key, problem.rule)
                if problem.severity == "error" and only in {None, problem.rule} and place not in seen:
                    seen.add(place)
                    where = " ".join(filter(None, (problem.file, problem.key)))
                    yield Finding(
                        subject=f"model {model.name}",
                        verdict="fails",
                        detail=f"{where}: {problem.cause}",
                        advice=problem.fix,
                    )


def _system(release: str) -> Finding:
    machine = this_machine()
    reason = why_not(machine)
    if reason is not None:
        return Finding(subject="system", verdict="fails", detail=reason, advice=docker_way(release))
    glibc = ".".join(map(str, machine.glibc or ()))
    python = ".".join(map(str, sys.version_info[:3]))
    detail = f"{machine.system} {machine.architecture}, glibc {glibc}, Python {python} with its shared library"
    return Finding(subject="system", verdict="ok", detail=detail)


def _environment(release: str) -> Finding:
    made = existing_environment(release)
    if made is None:
        return Finding(
            subject="server environment",
            verdict="note",
            detail=f"not made yet for {release}",
            advice="the first `tritonkit serve` makes it, from the package index, in less than a minute",
        )
    return Finding(
        subject="server environment", verdict="ok", detail=f"{made.root}, ONNX Runtime {made.onnxruntime} ({release})"
    )


def _disk() -> Finding:
    folder = cache_root()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if not os.access(folder, os.W_OK):
        advice = "set TRITONKIT_CACHE to a folder that you may write to"
        return Finding(subject="cache", verdict="fails", detail=f"{folder} is read-only", advice=advice)
    if free < ENVIRONMENT_BYTES:
        advice = "make room, or set TRITONKIT_CACHE to another disk"
        return Finding(subject="cache", verdict="fails", detail=f"{_mb(free)} free in {folder}", advice=advice)
    return Finding(subject="cache", verdict="ok", detail=f"{cache_root()}, {_mb(free)} free")


def _shared_memory(instances: int) -> Finding:
    """Whether `instances` of Python models find room for their regions."""
    if not SHARED_MEMORY.exists():
        advice = "mount a tmpfs there: Python models talk to the server through it"
        return Finding(subject="shared memory", verdict="fails", detail=f"there is no {SHARED_MEMORY}", advice=advice)
    free = shutil.disk_usage(SHARED_MEMORY).free
    needed = max(instances, 1) * REGION_BYTES
    detail = f"{_mb(free)} free" + (f", {instances} instances of Python models take {_mb(needed)}" if instances else "")
    if free < needed:
        advice = f"enlarge {SHARED_MEMORY} (docker: --shm-size) or lower instance_group counts"
        return Finding(subject="shared memory", verdict="fails", detail=detail, advice=advice)
    return Finding(subject="shared memory", verdict="ok", detail=detail)


def _stale_memory() -> Finding:
    stale = stale_regions()
    if not stale:
        return Finding(subject="left-over regions", verdict="ok", detail="none of dead servers")
    return Finding(
        subject="left-over regions",
        verdict="note",
        detail=f"{len(stale)} of dead servers in {SHARED_MEMORY}",
        advice="the next server that starts removes them",
    )


def _ports() -> Finding:
    taken = [port for port in USUAL_PORTS if not _is_free(port)]
    if not taken:
        return Finding(subject="ports", verdict="ok", detail="8000, 8001 and 8002 are free on loopback")
    return Finding(
        subject="ports",
        verdict="note",
        detail=f"in use: {', '.join(map(str, taken))}",
        advice="without --http-port and its like, serve takes free ones",
    )


def _gpu() -> Finding:
    if has_gpu():
        advice = "the local server computes on the CPU; `--runtime docker` uses the GPU"
        return Finding(subject="GPU", verdict="note", detail="an NVIDIA driver is here", advice=advice)
    return Finding(subject="GPU", verdict="ok", detail="none, and none is needed")


def _engines() -> Finding:
    found = {engine: _answers(engine) for engine in ("docker", "podman") if shutil.which(engine)}
    states = [engine if answers else f"{engine}, which does not answer" for engine, answers in found.items()]
    return Finding(
        subject="container engine",
        verdict="ok" if any(found.values()) else "note",
        detail="; ".join(states) or "neither docker nor podman",
        advice="" if any(found.values()) else "only `--runtime docker|podman` needs one",
    )


def _answers(engine: str) -> bool:
    try:
        return subprocess.run([engine, "info"], capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _config(folder: Path) -> ModelConfig | None:
    path = folder / "config.pbtxt"
    try:
        return parse_config(path.read_text(encoding="utf-8"), where=str(path), allow_unknown_fields=True)
    except (OSError, UnicodeDecodeError, InputError):
        # Absent is fine under auto-complete, and what does not parse is lint's to report.
        return None


def _backend_name(config: ModelConfig) -> str:
    if config.HasField("ensemble_scheduling"):
        return "python"
    return str(config.backend or config.platform.partition("_")[0] or "onnxruntime")


def _runs_in_python(config: ModelConfig) -> bool:
    return not config.HasField("ensemble_scheduling") and _backend_name(config) in LOCAL_BACKENDS


def _instances(config: ModelConfig) -> int:
    groups = config.instance_group
    default = DEFAULT_INSTANCES.get(_backend_name(config), 1)
    return sum(group.count or default for group in groups) if groups else default


def _backend(name: str, config: ModelConfig) -> Finding:
    return Finding(
        subject=f"model {name}",
        verdict="fails",
        detail=f"its backend {_backend_name(config)} is not part of the local server",
        advice="serve it in the container: tritonkit serve REPOSITORY --runtime docker",
    )


def _imports(folder: Path, packages: Iterable[str]) -> Iterator[Finding]:
    """Modules that a Python model imports and its environment will not have."""
    promised = {package.partition("==")[0].replace("-", "_").lower() for package in packages} | OWN_PACKAGES
    for version in sorted(path for path in folder.iterdir() if path.is_dir()):
        own = {path.stem for path in version.rglob("*.py")}
        missing = sorted(
            module
            for source in version.glob("*.py")
            for module in imported_modules(source)
            if module not in sys.stdlib_module_names | _GIVEN_MODULES | own and module.lower() not in promised
        )
        if missing:
            yield Finding(
                subject=f"model {folder.name}",
                verdict="fails",
                detail=f"version {version.name} imports {', '.join(dict.fromkeys(missing))}, which the server's "
                "environment has not",
                advice="name it in the manifest, or give ServerOptions(packages=...)",
            )


def imported_modules(source: Path) -> tuple[str, ...]:
    """The top-level modules that the file imports as it is loaded; none if it does not parse."""
    try:
        tree = ast.parse(source.read_bytes())
    except (SyntaxError, ValueError):
        return ()
    names: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.Import):
            names += [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module.partition(".")[0])
    return tuple(dict.fromkeys(names))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
