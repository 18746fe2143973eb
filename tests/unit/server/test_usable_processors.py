"""A container's CPU limit, as control groups of either version say it, in files of a test's own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tritonkit.server.backends.onnxruntime.ort_processors import usable_processors

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def eight_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(8)))


def _usable(folder: Path, own: str, files: dict[str, str]) -> int:
    (folder / "own").write_text(own)
    for name, text in files.items():
        file = folder / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return usable_processors(folder / "cgroup", folder / "own")


@pytest.mark.parametrize(
    ("text", "processors"),
    [
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("5000 100000\n", 1),
        ("1600000 100000\n", 8),
        ("150000 50000\n", 3),
    ],
)
def test_version_2_in_a_container(tmp_path: Path, text: str, processors: int) -> None:
    assert _usable(tmp_path, "0::/\n", {"cpu.max": text}) == processors


def test_version_2_outside_a_container_takes_the_tightest_group_above(tmp_path: Path) -> None:
    files = {
        "kubepods/cpu.max": "600000 100000\n",
        "kubepods/pod/cpu.max": "300000 100000\n",
        "kubepods/pod/it/cpu.max": "max 100000\n",
        "another/cpu.max": "100000 100000\n",
    }
    assert _usable(tmp_path, "0::/kubepods/pod/it\n", files) == 3


@pytest.mark.parametrize(("quota", "processors"), [("-1", 8), ("250000", 3), ("50000", 1)])
@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize("name", ["", "docker/it/"])
def test_version_1(tmp_path: Path, quota: str, processors: int, mount: str, name: str) -> None:
    """In a container the name is often the host's, and its files lie at the mount."""
    files = {f"{mount}/{name}cpu.cfs_quota_us": f"{quota}\n", f"{mount}/{name}cpu.cfs_period_us": "100000\n"}
    own = "5:memory:/elsewhere\n2:cpu,cpuacct:/docker/it\n1:cpuset:/elsewhere\n0::/\n"
    assert _usable(tmp_path, own, files) == processors


def test_without_control_groups(tmp_path: Path) -> None:
    assert usable_processors(tmp_path / "none", tmp_path / "own") == 8
