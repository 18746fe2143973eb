"""Whether this machine can run the tritonserver of the wheel, decided from plain facts."""

from __future__ import annotations

import ctypes.util
import os
import platform
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tritonkit.spec.errors import UnavailableError
from tritonkit.spec.ngc import DEFAULT_RELEASE, release

SUPPORTED_PYTHONS = ((3, 11), (3, 12))
# The wheel is tagged manylinux_2_35_x86_64.
MINIMUM_GLIBC = (2, 35)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What decides whether the wheel's server runs here.

    Attributes:
        system: `sys.platform`.
        architecture: as `uname -m` says it.
        glibc: (major, minor); `None` without glibc.
        python: (major, minor) of the interpreter that the models will run in.
        libpython: the folder of its shared library; empty if the loader finds it unaided, `None` if there is none.
    """

    system: str
    architecture: str
    glibc: tuple[int, int] | None
    python: tuple[int, int]
    libpython: str | None


def this_machine() -> Machine:
    """The facts of the machine and interpreter that run this code."""
    return Machine(
        system=sys.platform,
        architecture=platform.machine(),
        glibc=_glibc(),
        python=sys.version_info[:2],
        libpython=_libpython_folder(),
    )


def why_not(machine: Machine) -> str | None:
    """Why the wheel's server cannot run on `machine`, as a sentence; `None` when it can."""
    if machine.system != "linux":
        return f"the local Triton runs on Linux only, and this is {machine.system}"
    if machine.architecture not in {"x86_64", "AMD64"}:
        return f"the local Triton is built for x86_64 only, and this is {machine.architecture}"
    if machine.glibc is None or machine.glibc < MINIMUM_GLIBC:
        found = "another C library" if machine.glibc is None else f"{machine.glibc[0]}.{machine.glibc[1]}"
        return (
            f"the local Triton needs glibc {MINIMUM_GLIBC[0]}.{MINIMUM_GLIBC[1]} or newer, and this machine has {found}"
        )
    if machine.python not in SUPPORTED_PYTHONS:
        return f"the local Triton needs Python 3.11 or 3.12, and this is {machine.python[0]}.{machine.python[1]}"
    if machine.libpython is None:
        name = f"libpython{machine.python[0]}.{machine.python[1]}.so.1.0"
        return f"the local Triton needs the shared library {name}, which this Python was built without"
    return None


def docker_way(release_name: str = DEFAULT_RELEASE) -> str:
    """What to type where the wheel's server cannot run."""
    return f"use the container: tritonkit serve REPOSITORY --runtime docker --image {release(release_name).image}"


def require_wheel_support(release_name: str = DEFAULT_RELEASE) -> Machine:
    """This machine, when the wheel's server can run on it.

    Raises:
        UnavailableError: it cannot; the hint names the docker way.
    """
    machine = this_machine()
    reason = why_not(machine)
    if reason is not None:
        raise UnavailableError(reason, hint=docker_way(release_name))
    return machine


def _glibc() -> tuple[int, int] | None:
    try:
        text = os.confstr("CS_GNU_LIBC_VERSION") or ""
        major, minor = text.removeprefix("glibc ").split(".")[:2]
        return int(major), int(minor)
    except (ValueError, OSError, AttributeError):
        return None


def _libpython_folder() -> str | None:
    name = f"libpython{sys.version_info[0]}.{sys.version_info[1]}.so.1.0"
    candidates = [sysconfig.get_config_var("LIBDIR"), str(Path(sys.base_prefix) / "lib")]
    for folder in candidates:
        if folder and (Path(folder) / name).exists():
            return str(folder)
    unaided = ctypes.util.find_library(f"python{sys.version_info[0]}.{sys.version_info[1]}")
    return "" if unaided else None
