"""Notices Python models whose process has died while Triton still calls them ready, and brings them back.

A server before 26.04 answers "Stub process is not healthy" for ever after such a death, with its readiness at 200. The
look is at the process table: it costs the server nothing, and no request of anybody's is needed to notice.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tritonkit.server.triton import TritonServer

LOOK_EVERY_SECONDS = 2.0
STUB_NAME = "triton_python_backend_stub"
# argv of a stub: itself, the model's file, its region, two sizes, the server's pid, a folder, an offset, the instance.
_FILE, _INSTANCE = 1, 8


@dataclass(frozen=True, slots=True)
class Stub:
    """The process of one instance of a Python model.

    Attributes:
        model: the model's name.
        instance: the instance's name, unique in its model.
    """

    model: str
    instance: str


class StubWatch:
    """Looks at one server's stubs, again and again. Make it once the server is ready: it remembers who is there."""

    def __init__(self, server: TritonServer) -> None:
        self._server = server
        self._seen = frozenset(running_stubs(server.pid).values())
        self._missing: frozenset[Stub] = frozenset()

    def dead_models(self) -> tuple[str, ...]:
        """Models that lost an instance between earlier looks and are still called ready.

        A stub counts as dead when two looks in a row miss it: a model that is being unloaded or replaced loses its
        stubs first and its readiness a moment later.
        """
        alive = frozenset(running_stubs(self._server.pid).values())
        missing = (self._seen | self._missing) - alive
        confirmed = missing & self._missing
        ready = {stub.model for stub in missing if self._server.model_is_ready(stub.model)}
        self._missing = frozenset(stub for stub in missing if stub.model in ready)
        self._seen = alive
        dead = sorted({stub.model for stub in confirmed} & ready)
        if dead:
            self._missing = frozenset(stub for stub in self._missing if stub.model not in dead)
        return tuple(dead)


def heal(server: TritonServer, models: Iterable[str]) -> str:
    """Loads `models` anew, or starts the server again where its models cannot be controlled; says what it did.

    Raises:
        GateError: a model does not load any more.
        UnavailableError: the server does not answer, or does not come back.
    """
    names = tuple(models)
    if server.explicit:
        for name in names:
            server.reload(name)
        return f"loaded {', '.join(names)} anew"
    server.restart()
    return "started the server again"


def running_stubs(pid: int) -> Mapping[int, Stub]:
    """The living stubs of the server `pid` by their own process ids; none if the server is gone."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return {}
    return {child.pid: stub for child in children if (stub := _stub(child)) is not None}


def _stub(process: psutil.Process) -> Stub | None:
    try:
        arguments = process.cmdline()
    except psutil.Error:
        # It ended a moment ago, or is a zombie that its server has not waited for.
        return None
    if len(arguments) <= _INSTANCE or Path(arguments[0]).name != STUB_NAME:
        return None
    return Stub(model=_model_of(Path(arguments[_FILE])), instance=arguments[_INSTANCE])


def _model_of(file: Path) -> str:
    """MODEL of `…/MODEL/VERSION/FILE`; the file may lie deeper."""
    folders = file.parts[:-1]
    version = next(place for place in range(len(folders) - 1, 0, -1) if folders[place].isdigit())
    return folders[version - 1]
