"""Which cluster the tests run on: the one of KUBECONFIG, else one of kind, else a node that is built from source."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.container_images import write_pause_archive
from tests.cluster.kubernetes_programs import kubernetes_programs
from tests.cluster.local_cluster import import_image, local_cluster
from tests.helm.programs import CACHE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster that is there.

    Attributes:
        kubeconfig: who and where.
        import_archive: brings an image to its nodes.
    """

    kubeconfig: Path
    import_archive: Callable[[Path], object]


@contextlib.contextmanager
def some_cluster(folder: Path) -> Iterator[Cluster]:
    """Yields the cluster to test on; what was made for the tests is gone afterwards.

    Args:
        folder: for a kubeconfig.
    """
    given = os.environ.get("KUBECONFIG")
    if given:
        # Its nodes must have the images already, or pull them: see docs/chart.md.
        yield Cluster(kubeconfig=Path(given), import_archive=lambda _archive: None)
    elif shutil.which("kind") and docker_runs():
        with _kind_cluster(folder / "kubeconfig") as cluster:
            yield cluster
    else:
        programs = kubernetes_programs()
        pause = write_pause_archive(programs / "pause", CACHE.parent / "cluster" / "pause.tar")
        with local_cluster(programs, pause) as kubeconfig:
            yield Cluster(kubeconfig=kubeconfig, import_archive=import_image)


def docker_runs() -> bool:
    """Whether there is a docker whose engine answers."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=60).returncode == 0


@contextlib.contextmanager
def _kind_cluster(kubeconfig: Path) -> Iterator[Cluster]:
    name = f"tritonkit-{uuid.uuid4().hex[:6]}"

    def kind(*arguments: str | Path) -> None:
        subprocess.run(["kind", *arguments, "--name", name], check=True, timeout=600)

    kind("create", "cluster", "--kubeconfig", kubeconfig, "--wait=180s")
    try:
        yield Cluster(kubeconfig=kubeconfig, import_archive=lambda archive: kind("load", "image-archive", archive))
    finally:
        kind("delete", "cluster", "--kubeconfig", kubeconfig)
