"""How many processors this process may use: a container's CPU limit counts, which ONNX Runtime does not see.

It stands alone, on the standard library: the tools hold a build's files against the weights by the same rule.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def usable_processors(cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """The smaller of the processors that this process may run on and the quota of its control groups, rounded up.

    Args:
        cgroups: where control groups are mounted.
        own: the file that names this process's control group in each hierarchy.
    """
    allowed = len(os.sched_getaffinity(0))
    return min([allowed, *(max(1, math.ceil(quota)) for quota in _quotas(cgroups, own))])


def _quotas(cgroups: Path, own: Path) -> list[float]:
    """The limit, in processors, of each of this process's control groups that has one.

    Source of the files and their units: the kernel's Documentation/admin-guide/cgroup-v2.rst (`cpu.max`) and
    Documentation/scheduler/sched-bwc.rst (`cpu.cfs_quota_us`).
    """
    quotas = [_quota(folder) for folder in _folders(cgroups, own)]
    return [quota for quota in quotas if quota is not None]


def _folders(cgroups: Path, own: Path) -> Iterator[Path]:
    """This process's control groups and those above them, in every hierarchy that may limit processors."""
    for line in _read(own).splitlines():
        _, controllers, name = line.split(":", 2)
        if not controllers:
            mounts = [cgroups]
        elif "cpu" in controllers.split(","):
            mounts = [cgroups / "cpu", cgroups / controllers]
        else:
            continue
        for mount in mounts:
            # In a container the name may be the host's, of which nothing but the mount itself is seen.
            yield from (mount, *(mount / part for part in _names(name)))


def _names(name: str) -> list[str]:
    """`/a/b` -> `a`, `a/b`: every group above a process limits it."""
    parts = [part for part in name.split("/") if part]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def _quota(folder: Path) -> float | None:
    fields = _read(folder / "cpu.max").split() or [
        *_read(folder / "cpu.cfs_quota_us").split(),
        *_read(folder / "cpu.cfs_period_us").split(),
    ]
    if len(fields) != 2 or fields[0] in {"max", "-1"}:
        return None
    return int(fields[0]) / int(fields[1])


def _read(file: Path) -> str:
    """Empty where there is no such file, or it may not be read."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
