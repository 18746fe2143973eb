"""Runs a function of the engines in a child process: a crash or a hang of TensorRT is then one clear error.

The child is the same as a build stage's (`builder.stage`); what differs is that somebody watches its progress, that
it sees one GPU alone, and that its result is kept by the engine cache.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tritonkit.spec.errors import KitError, from_dict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tritonkit.spec.model import Document

Result = TypeVar("Result", bound="Document")

LOG = "log.txt"
PROGRESS = "progress.json"
"""What a child writes into its folder: phase, steps done, steps in all."""
_HOUSE = Path(__file__).parents[2]
_POLL_SECONDS = 0.05


def run_in_child(
    function: str,
    request: Document,
    inputs: Mapping[str, Path],
    work: Path,
    result: type[Result],
    *,
    gpu: str | None,
    time_limit: float,
    tell: Callable[[str], None],
) -> Result:
    """Calls `function` in a child process.

    Args:
        function: `module:function`, as `builder.stage` calls it.
        request: its parameters.
        inputs: files that it reads.
        work: an empty folder; `out/` in it gets the outputs, `log.txt` what the child prints.
        result: class of its result.
        gpu: UUID of the only GPU that the child sees; `None` leaves it all of them.
        time_limit: seconds after which the child is killed.
        tell: shows a line of progress.

    Raises:
        KitError: the function's own error; or that the child crashed, was killed or took too long.
    """
    (work / "out").mkdir()
    call = {
        "stage": function,
        "function": function,
        "request_class": f"{type(request).__module__}:{type(request).__qualname__}",
        "request": request.model_dump(mode="json"),
        "inputs": {name: str(path.absolute()) for name, path in inputs.items()},
    }
    (work / "request.json").write_text(json.dumps(call, indent=2) + "\n")
    code = _watch(work, gpu, time_limit, tell)
    if code != 0:
        raise _explain(work, code, time_limit)
    return result.model_validate(json.loads((work / "result.json").read_text())["result"])


def end_with_parent() -> None:
    """For the child: ends it when `run_in_child`'s process ends, however that dies, for then our stdin closes."""
    if not stat.S_ISFIFO(os.fstat(0).st_mode):
        # Somebody runs the stage by hand.
        return

    def wait() -> None:
        # Not through sys.stdin, whose lock this thread would still hold when the interpreter ends.
        os.read(0, 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _watch(work: Path, gpu: str | None, time_limit: float, tell: Callable[[str], None]) -> int:
    """The child's exit code; -SIGALRM stands for the time limit."""
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    if gpu is not None:
        environment["CUDA_VISIBLE_DEVICES"] = gpu
    with (work / LOG).open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "builder.stage", str(work)],
            cwd=_HOUSE,
            # Never written to: the child ends when it closes, however this process ends.
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        deadline, shown = time.monotonic() + time_limit, ""
        try:
            while child.poll() is None:
                if time.monotonic() > deadline:
                    return -signal.SIGALRM
                time.sleep(_POLL_SECONDS)
                line = _progress(work)
                if line != shown:
                    tell(line)
                    shown = line
            return child.returncode
        finally:
            child.kill()
            child.wait()
            if child.stdin is not None:
                child.stdin.close()


def _progress(work: Path) -> str:
    try:
        told = json.loads((work / PROGRESS).read_text())
    except (OSError, ValueError):
        return ""
    return f"{told['phase']}, step {told['done']} of {told['steps']}"


def _explain(work: Path, code: int, time_limit: float) -> KitError:
    try:
        return from_dict(json.loads((work / "error.json").read_text()))
    except (OSError, ValueError):
        pass
    lines = (work / LOG).read_text(errors="replace").strip().splitlines()
    reasons = {
        -signal.SIGALRM: f"still running after {time_limit:.0f} s",
        -signal.SIGKILL: "SIGKILL, as the kernel sends when memory runs out",
        -signal.SIGSEGV: "a crash inside TensorRT (SIGSEGV)",
    }
    got = reasons.get(code, f"exit code {code}") + (f"; its last words: {lines[-1]}" if lines else "")
    return KitError("the engine's child process ended before its time", where=work, got=got)
