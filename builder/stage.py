"""One stage of a build: a function that runs in a child process and leaves a folder.

The parent writes `request.json`, starts `python -m builder.stage FOLDER` and waits, within a time limit. The child
has no network but loopback. It calls the stage's function, which puts its outputs into `out/`, and writes
`result.json` last. The folder is then renamed into the cache under a key of all that the result depends on. So a
crash, a hang or a memory kill is one clear error; a killed build resumes after its last finished stage; and an
unchanged build starts no child at all.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from builder.cache import stage_folder, stage_key
from builder.isolation import cut_network
from tritonkit.repository.digests import first_difference, read_tree
from tritonkit.spec.errors import KitError, from_dict
from tritonkit.spec.manifest import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

    from tritonkit.spec.model import Document

Result = TypeVar("Result", bound="Document")

_HOUSE = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(Generic[Result]):
    """A stage: what does it, what it is told and what it tells.

    Attributes:
        name: its name, in the cache and for people.
        function: `module:function`, called with (request, inputs by name, folder for the outputs); returns a result.
            By name, so that the parent need not import what the child does.
        request: class of the request: the parameters, without any path.
        result: class of the result.
        time_limit: seconds after which the child and all its children are killed.
        sources: the kit's folders whose code it runs: a change there makes earlier results stale.
    """

    name: str
    function: str
    request: type[Document]
    result: type[Result]
    time_limit: float
    sources: tuple[str, ...] = ("builder", "tritonkit/evaluation", "tritonkit/repository", "tritonkit/spec")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(Generic[Result]):
    """A stage that ended well.

    Attributes:
        name: the stage's name.
        result: what it told.
        out: its outputs.
        folder: `out/`, `log.txt`, `request.json`, `result.json` and `reproduce.sh`.
        seconds: wall time of this run; of a cached stage, the time to find and check it.
        cached: whether an earlier run's outputs were used.
    """

    name: str
    result: Result
    out: Path
    folder: Path
    seconds: float
    cached: bool


def run_stage(
    stage: Stage[Result],
    request: Document,
    inputs: Mapping[str, Path],
    places: Mapping[str, Path] | None = None,
    prepare: Callable[[], object] | None = None,
) -> Finished[Result]:
    """Runs `stage`, or finds that it has been run with the same request, inputs and tools.

    Args:
        stage: the stage.
        request: its parameters.
        inputs: files and folders that it reads, by name. Their content is part of what makes two runs the same.
        places: folders that it is told of besides; whatever of them counts is among the inputs.
        prepare: called here, where there is a network, before a child is started: the child has none.

    Raises:
        KitError: the stage's own error; or that it crashed, was killed or took too long, with the path of its log.
    """
    began = time.monotonic()
    key = stage_key(stage.name, stage.sources, request.model_dump(mode="json"), inputs)
    folder = stage_folder(stage.name, key)
    cached = _read_finished(folder) is not None
    if not cached:
        if prepare is not None:
            prepare()
        _run_in_child(stage, request, {**inputs, **(places or {})}, folder)
    result = _read_finished(folder)
    if result is None:
        raise KitError(f"stage {stage.name}: its result vanished", where=folder, hint="run the build again")
    return Finished(
        name=stage.name,
        result=stage.result.model_validate(result),
        out=folder / "out",
        folder=folder,
        seconds=time.monotonic() - began,
        cached=cached,
    )


def _read_finished(folder: Path) -> Mapping[str, Any] | None:
    """The result of the finished stage in `folder`; `None` if there is none or its outputs are no longer its own."""
    try:
        record = json.loads((folder / "result.json").read_text())
    except (OSError, ValueError):
        return None
    if first_difference(Tree.model_validate(record["tree"]), read_tree(folder / "out")) is not None:
        shutil.rmtree(folder)
        return None
    return cast("Mapping[str, Any]", record["result"])


def _run_in_child(stage: Stage[Any], request: BaseModel, inputs: Mapping[str, Path], folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder.parent)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name[:12]}-", dir=folder.parent))
    (work / "out").mkdir()
    call = {
        "stage": stage.name,
        "function": stage.function,
        "request_class": f"{stage.request.__module__}:{stage.request.__qualname__}",
        "request": request.model_dump(mode="json"),
        "inputs": {name: str(path.absolute()) for name, path in inputs.items()},
    }
    (work / "request.json").write_text(json.dumps(call, indent=2) + "\n")
    _write_reproduction(work)
    try:
        code = _wait_for_child(work, stage.time_limit)
    except BaseException:
        shutil.rmtree(work)
        raise
    if code != 0:
        failed = folder.with_name(f"failed-{folder.name[:12]}")
        shutil.rmtree(failed, ignore_errors=True)
        work.rename(failed)
        shutil.rmtree(failed / "out")
        raise _explain(stage, failed, code)
    try:
        work.rename(folder)
    except OSError:
        # Another build finished the same stage first; its outputs are as good.
        shutil.rmtree(work)


def _sweep(stages: Path) -> None:
    """Removes what builds that were killed left behind; a stage takes minutes, so a day old is dead."""
    for entry in stages.iterdir():
        if entry.name.startswith((".", "failed-")) and time.time() - entry.stat().st_mtime > 86_400:
            shutil.rmtree(entry, ignore_errors=True)


def _write_reproduction(work: Path) -> None:
    script = work / "reproduce.sh"
    lines = (
        "#!/bin/sh",
        "# Runs this stage again, alone, in a copy of its folder, and prints what it prints.",
        'here=$(cd "$(dirname "$0")" && pwd)',
        'copy=$(mktemp -d) && mkdir "$copy/out" && cp "$here/request.json" "$copy"',
        f'cd {shlex.quote(str(_HOUSE))} && {shlex.quote(sys.executable)} -m builder.stage "$copy"; code=$?',
        'echo "outputs: $copy/out"; exit $code',
    )
    script.write_text("\n".join(lines) + "\n")
    script.chmod(0o755)


def _wait_for_child(work: Path, time_limit: float) -> int:
    """The child's exit code; -SIGALRM stands for the time limit."""
    with (work / "log.txt").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "builder.stage", str(work)],
            cwd=_HOUSE,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        )
        try:
            return child.wait(time_limit)
        except subprocess.TimeoutExpired:
            return -signal.SIGALRM
        finally:
            # The whole group, on every way out: a server that the stage started must not outlive it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _explain(stage: Stage[Any], failed: Path, code: int) -> KitError:
    log = failed / "log.txt"
    try:
        error = from_dict(json.loads((failed / "error.json").read_text()))
    except (OSError, ValueError):
        pass
    else:
        error.log_path = error.log_path or log
        return error
    what = f"stage {stage.name} ended before its time"
    if code == -signal.SIGALRM:
        return KitError(
            what, got=f"still running after {stage.time_limit:.0f} s", hint=f"run {failed}/reproduce.sh", log_path=log
        )
    if code == -signal.SIGKILL:
        return KitError(what, got="SIGKILL, as the kernel sends when memory runs out", hint="free memory", log_path=log)
    lines = log.read_text(errors="replace").strip().splitlines()
    return KitError(
        what,
        got=lines[-1] if lines else f"exit code {code}",
        hint=f"run {failed}/reproduce.sh to see it again",
        log_path=log,
    )


def _load(path: str) -> Any:
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)


def main(work: Path) -> int:
    """The child's side: calls the function that `request.json` names and writes `result.json` or `error.json`."""
    call = json.loads((work / "request.json").read_text())
    if (reason := cut_network()) is not None:
        sys.stderr.write(f"this stage still has a network: {reason}\n")
    request = _load(call["request_class"]).model_validate(call["request"])
    function: Callable[[Any, dict[str, Path], Path], BaseModel] = _load(call["function"])
    try:
        result = function(request, {name: Path(path) for name, path in call["inputs"].items()}, work / "out")
    except KitError as error:
        traceback.print_exc()
        (work / "error.json").write_text(json.dumps(error.as_dict()))
        return 1
    tree = read_tree(work / "out")
    record = {"result": result.model_dump(mode="json"), "tree": tree.model_dump(mode="json")}
    # Last, and whole or not at all: this file is what says that the stage is finished.
    (work / "result.json.partial").write_text(json.dumps(record, indent=2) + "\n")
    (work / "result.json.partial").rename(work / "result.json")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
