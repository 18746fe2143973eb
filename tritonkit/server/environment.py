"""The server's own Python environment, made once and kept: as in production, apart from the tools'."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from tritonkit.server.machine import Machine, require_wheel_support, this_machine, why_not
from tritonkit.spec.cache_root import cache_root
from tritonkit.spec.errors import UnavailableError
from tritonkit.spec.ngc import DEFAULT_RELEASE, Release
from tritonkit.spec.ngc import release as find_release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Carries tritonserver 2.51.0. `--no-deps`: only its binaries are used, never the pytriton API.
SERVER_WHEEL = "nvidia-pytriton==0.7.0"
# numpy 2 makes the 2.51 stub hand empty tensors to a model, so its major version is pinned by need.
BASE_PACKAGES = ("numpy==1.26.4", "pillow==13.0.0")
INSTALL_TIMEOUT_SECONDS = 900.0

# A model's `__pycache__` inside a version folder would change a repository whose files are digested, and
# under polling reload it. The stub ignores PYTHONDONTWRITEBYTECODE but does read .pth files.
_NO_BYTECODE = ("tritonkit_no_bytecode.pth", "import sys; sys.dont_write_bytecode = True\n")

_BACKEND_SOURCES = Path(__file__).parent / "backends"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEnvironment:
    """Where the parts of a local tritonserver lie.

    Attributes:
        root: the folder that holds all of it.
        python: the interpreter that models run in.
        tritonserver: the server's binary.
        backend_directory: for `--backend-directory`: the wheel's Python backend with the stub of `python`, and
            the kit's embedded backends.
        cache_directory: for `--cache-directory`: the local response cache.
        library_path: folders for `LD_LIBRARY_PATH`, in order.
        bin_path: the folder that must come first on `PATH`: the stub takes the `python3` that it finds there.
        release: the NGC release that this environment stands for.
        onnxruntime: the version of ONNX Runtime installed, which is that release's.
        packages: what was installed beside it, as requirements.
    """

    root: Path
    python: Path
    tritonserver: Path
    backend_directory: Path
    cache_directory: Path
    library_path: tuple[Path, ...]
    bin_path: Path
    release: str
    onnxruntime: str
    packages: tuple[str, ...]

    def variables(self) -> dict[str, str]:
        """The environment variables of a server process, over those of this process."""
        inherited = {
            # No model needs the administrator's key.
            name: value
            for name, value in os.environ.items()
            if not name.startswith("PYTHON") and name != "TRITONKIT_ADMIN_KEY"
        }
        system_path = inherited.get("PATH", os.defpath)
        system_libraries = inherited.get("LD_LIBRARY_PATH")
        libraries = [str(folder) for folder in self.library_path]
        return inherited | {
            "PATH": f"{self.bin_path}{os.pathsep}{system_path}",
            "LD_LIBRARY_PATH": os.pathsep.join(libraries + ([system_libraries] if system_libraries else [])),
            "TRITONKIT_TARGET": self.release,
        }


def ensure_environment(
    release: str = DEFAULT_RELEASE,
    *,
    packages: tuple[str, ...] = (),
    progress: Callable[[str], None] | None = None,
) -> ServerEnvironment:
    """The environment that stands for `release`, made on first use.

    Safe under several processes at once: one makes it, the others wait for its lock. A build that was killed is
    begun anew by the next caller.

    Args:
        release: the NGC release whose ONNX Runtime is installed.
        packages: further requirements, such as what a repository's Python steps import.
        progress: is told, in a few words, what long work is going on.

    Raises:
        UnavailableError: this machine cannot run the wheel's server, or a package cannot be installed.
        InputError: the release is not known.
    """
    plan = _plan(release, packages)
    if not plan.stamp.exists():
        with _locked(plan.root.with_suffix(".lock")):
            if not plan.stamp.exists():
                _build(plan.root, plan.requirements, progress or (lambda _: None))
                done = {"requirements": plan.requirements, "server": SERVER_WHEEL}
                _write_atomically(plan.stamp, json.dumps(done, indent=2))
    return _described(plan)


def existing_environment(release: str = DEFAULT_RELEASE, *, packages: tuple[str, ...] = ()) -> ServerEnvironment | None:
    """The environment that `ensure_environment` would give, if it is there already.

    Raises:
        InputError: the release is not known.
    """
    if why_not(this_machine()) is not None:
        return None
    plan = _plan(release, packages)
    return _described(plan) if plan.stamp.exists() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What an environment is to hold, and where it lies."""

    root: Path
    release: Release
    machine: Machine
    packages: tuple[str, ...]

    @property
    def requirements(self) -> tuple[str, ...]:
        return (*self.packages, f"onnxruntime=={self.release.onnxruntime}")

    @property
    def stamp(self) -> Path:
        """Written last: without it the folder is the rest of a build that was killed."""
        return self.root / "complete.json"


def _plan(release: str, packages: tuple[str, ...]) -> _Plan:
    target = find_release(release)
    machine = require_wheel_support(release)
    everything = (*BASE_PACKAGES, *sorted(packages))
    facts = {
        "packages": everything,
        "onnxruntime": target.onnxruntime,
        "server": SERVER_WHEEL,
        "python": sys.version,
        "base": sys.base_prefix,
    }
    root = cache_root() / "server" / f"environment-{_key(facts)}"
    return _Plan(root=root, release=target, machine=machine, packages=everything)


def _described(plan: _Plan) -> ServerEnvironment:
    root = plan.root
    site = _site_packages(root)
    wheel = site / "pytriton" / "tritonserver"
    libpython = (Path(plan.machine.libpython),) if plan.machine.libpython else ()
    return ServerEnvironment(
        root=root,
        python=root / "bin" / "python3",
        tritonserver=wheel / "bin" / "tritonserver",
        backend_directory=_backend_directory(root, wheel),
        cache_directory=wheel / "caches",
        library_path=(site / "nvidia_pytriton.libs", *libpython),
        bin_path=root / "bin",
        release=plan.release.name,
        onnxruntime=plan.release.onnxruntime,
        packages=plan.packages,
    )


def _site_packages(root: Path) -> Path:
    return root / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"


def _build(root: Path, requirements: tuple[str, ...], progress: Callable[[str], None]) -> None:
    """Makes the virtual environment in its final place, since none can be moved; a killed build's rest goes first."""
    shutil.rmtree(root, ignore_errors=True)
    progress("making the server's Python environment")
    _run([sys.executable, "-m", "venv", str(root)], "the server's virtual environment cannot be made")
    pip = [
        str(root / "bin" / "python3"),
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--no-input",
        "install",
        "--quiet",
    ]
    own = [text for text in requirements if not _is_shared(text)]
    progress(f"installing {', '.join(own)}")
    _run([*pip, "--only-binary=:all:", *own], "the server's packages cannot be installed")
    progress(f"installing {SERVER_WHEEL}")
    _run([*pip, "--only-binary=:all:", "--no-deps", SERVER_WHEEL], "the server's wheel cannot be installed")
    name, text = _NO_BYTECODE
    (_site_packages(root) / name).write_text(text)
    if len(own) < len(requirements):
        # After the environment's own packages, so that numpy and all that it has itself stay what they are.
        (_site_packages(root) / "tritonkit_shared.pth").write_text(f"{torch_folder()}\n")
    probe = "import numpy, PIL, onnxruntime; assert numpy.__version__ < '2', numpy.__version__"
    _run([str(root / "bin" / "python3"), "-c", probe], "the server's packages were installed but cannot be imported")


def _is_shared(requirement: str) -> bool:
    """Whether the tools' own torch does: it takes gigabytes, and a part that runs torch was built with this one."""
    wanted = Requirement(requirement)
    return wanted.name == "torch" and torch_folder() is not None and wanted.specifier.contains(version("torch"))


def torch_folder() -> str | None:
    """The folder that holds the tools' own torch, if they have one."""
    try:
        return str(distribution("torch").locate_file(""))
    except PackageNotFoundError:
        return None


def _run(command: list[str], what: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(what, got=f"no end after {error.timeout:.0f} s", hint="is the network there?") from None
    if done.returncode != 0:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        errors = [line for line in lines if line.lower().startswith("error")] or lines[-1:] or ["no output"]
        raise UnavailableError(what, where=" ".join(command[-2:]), got=errors[-1], hint="run it by hand to see more")


def _backend_directory(root: Path, wheel: Path) -> Path:
    """The wheel's backends, the stub of this Python and the kit's own, named by the content of the kit's."""
    sources = sorted(path for path in _BACKEND_SOURCES.rglob("*.py"))
    key = _key({str(path.relative_to(_BACKEND_SOURCES)): path.read_text() for path in sources})
    folder = root / f"backends-{key}"
    if folder.exists():
        return folder
    staging = Path(tempfile.mkdtemp(dir=root, prefix=".backends-"))
    shutil.copytree(wheel / "backends", staging, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    shutil.copy2(wheel / "python_backend_stubs" / version / "triton_python_backend_stub", staging / "python")
    for source in sources:
        target = staging / source.relative_to(_BACKEND_SOURCES)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    staging.chmod(0o755)
    try:
        staging.rename(folder)
    except OSError:
        # Another process was first, with the same content.
        shutil.rmtree(staging, ignore_errors=True)
        if not folder.exists():
            raise
    return folder


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _write_atomically(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text)
    temporary.replace(path)


def _key(facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
