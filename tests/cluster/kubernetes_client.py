"""kubectl and helm against the cluster of the tests."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from tests.helm.chart import CHART
from tests.helm.programs import program

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubernetes:
    """One namespace of a cluster, as its administrator.

    Attributes:
        kubeconfig: who and where.
        namespace: of every command.
    """

    kubeconfig: Path
    namespace: str

    def kubectl(
        self, *arguments: str, stdin: str | bytes | None = None, check: bool = True, timeout: float = 180
    ) -> subprocess.CompletedProcess[str]:
        """Runs kubectl."""
        command = [str(program("kubectl")), "--kubeconfig", str(self.kubeconfig), "-n", self.namespace, *arguments]
        return _run(command, stdin, check=check, timeout=timeout)

    def get(self, *arguments: str) -> Document:
        """The object, or the list of objects."""
        document: Document = json.loads(self.kubectl("get", *arguments, "-o", "json").stdout)
        return document

    def apply(self, *documents: Document) -> None:
        """Creates or changes objects."""
        self.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(documents))

    def helm(self, *arguments: str, check: bool = True, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Runs Helm 4."""
        command = [str(program("helm4")), "--kubeconfig", str(self.kubeconfig), "-n", self.namespace, *arguments]
        return _run(command, None, check=check, timeout=timeout)

    def upgrade(self, release: str, values: Document, *, wait: int = 150) -> None:
        """Installs or upgrades the chart, and waits `wait` seconds for it; with 0 not at all.

        Raises:
            AssertionError: with Helm's message and what the pods say.
        """
        command = ["upgrade", "--install", release, str(CHART), "--values", "-"]
        command += ["--wait", f"--timeout={wait}s"] if wait else []
        full = [str(program("helm4")), "--kubeconfig", str(self.kubeconfig), "-n", self.namespace, *command]
        done = _run(full, json.dumps(values), check=False, timeout=wait + 60)
        assert done.returncode == 0, f"{done.stderr}\n{self.describe()}"

    def pods(self, release: str) -> list[Document]:
        """The serving pods of a release that are not being deleted."""
        selector = f"app.kubernetes.io/instance={release},app.kubernetes.io/component=server"
        items = self.get("pods", "-l", selector)["items"]
        return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]

    def describe(self) -> str:
        """What a person would look at: pods, events, the last lines of logs."""
        pods = self.kubectl("get", "pods", "-o", "wide", check=False).stdout
        events = self.kubectl("get", "events", "--sort-by=.lastTimestamp", check=False).stdout
        logs = ""
        for name in self.kubectl("get", "pods", "-o", "name", check=False).stdout.split():
            logs += f"{name}:\n" + self.kubectl("logs", name, "--all-containers", "--tail=15", check=False).stdout
        return f"{pods}\n{events[-4000:]}\n{logs[-6000:]}"


def is_ready(pod: Document) -> bool:
    """Whether a pod takes traffic."""
    conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


def wait_until(what: str, happened: Callable[[], bool], *, seconds: float = 120) -> None:
    """Asks until it is so."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.5)


def _run(
    command: list[str], stdin: str | bytes | None, *, check: bool, timeout: float
) -> subprocess.CompletedProcess[str]:
    data = stdin.encode() if isinstance(stdin, str) else stdin
    raw = subprocess.run(command, input=data, capture_output=True, check=False, timeout=timeout)
    done = subprocess.CompletedProcess(command, raw.returncode, raw.stdout.decode(), raw.stderr.decode())
    assert not check or done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done
