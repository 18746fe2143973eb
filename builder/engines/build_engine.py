"""ONNX file, GPU and builder -> an engine from the cache, built there if need be. Read this file first."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from builder.engines.child import LOG, run_in_child
from builder.engines.compile_engine import ENGINE, TIMING_CACHE, CompileRequest, CompileResult
from builder.engines.engine_cache import obtain_engine, read_timing_cache, timing_cache, write_timing_cache
from builder.engines.failures import builder_error
from builder.engines.records import EngineKey, EngineRecord, require_compute_capability
from builder.engines.trtexec import trtexec_command
from tritonkit.repository.digests import file_digest
from tritonkit.spec.errors import KitError

if TYPE_CHECKING:
    from collections.abc import Callable

    from builder.engines.engine_cache import CachedEngine
    from builder.engines.gpus import Gpu
    from builder.engines.graph import EngineGraph
    from builder.engines.libraries import BuilderTool
    from builder.engines.profiles import Profile
    from builder.engines.records import EngineSettings

TIME_LIMIT_SECONDS = 3600.0


def _silent(line: str) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTarget:
    """What builds an engine, and for which GPU.

    Attributes:
        tool: what builds.
        compute_capability: of the GPU that the engine is for.
        gpu: the GPU at hand; `None` for a build ahead of time.
    """

    tool: BuilderTool
    compute_capability: str
    gpu: Gpu | None = None


def engine_key(graph: EngineGraph, target: EngineTarget, profile: Profile, settings: EngineSettings) -> EngineKey:
    """All that the engine of `graph` for `target` depends on."""
    return EngineKey(
        onnx_sha256=graph.sha256,
        compute_capability=require_compute_capability(target.compute_capability),
        library=target.tool.library,
        version=target.tool.version,
        precision=graph.precision,
        profile=profile,
        settings=settings,
    )


def build_engine(
    cache: Path,
    graph: EngineGraph,
    key: EngineKey,
    target: EngineTarget,
    *,
    time_limit: float = TIME_LIMIT_SECONDS,
    tell: Callable[[str], None] = _silent,
) -> CachedEngine:
    """The engine of `graph` with `key`, from the cache or built into it.

    Args:
        cache: the engine cache's folder.
        graph: the graph.
        key: from `engine_key`, of the same graph and target.
        target: what builds, and for which GPU.
        time_limit: seconds for one build, and for waiting until another process has built it.
        tell: shows a line of progress.

    Raises:
        GateError: the graph cannot become an engine for this GPU; says which node and what to do.
        UnavailableError: the library does not load, or needs a GPU.
        ConflictError: another process has been building it for too long.
        InputError: others may write into the cache.
        KitError: the builder crashed or took too long.
    """

    def build(work: Path, file: Path) -> EngineRecord:
        began = time.monotonic()
        timing = timing_cache(cache, key)
        make = _with_module if target.tool.trtexec is None else _with_trtexec
        make(graph, key, target, work, timing, time_limit, tell)
        shutil.move(work / "out" / ENGINE, file)
        measured = work / "out" / TIMING_CACHE
        if measured.is_file():
            write_timing_cache(timing, measured.read_bytes())
        return EngineRecord(
            key=key,
            sha256=file_digest(file),
            bytes=file.stat().st_size,
            built_by=f"{target.tool.title}, {'its Python module' if target.tool.trtexec is None else 'trtexec'}",
            gpu=None if target.gpu is None else target.gpu.name,
            seconds=time.monotonic() - began,
            built_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    return obtain_engine(cache, key, build, wait_seconds=time_limit, tell=tell)


def _with_module(
    graph: EngineGraph,
    key: EngineKey,
    target: EngineTarget,
    work: Path,
    timing: Path,
    time_limit: float,
    tell: Callable[[str], None],
) -> None:
    inputs = {"onnx": graph.path}
    if (earlier := read_timing_cache(timing)) is not None:
        inputs["timing"] = work / "earlier-timing.cache"
        inputs["timing"].write_bytes(earlier)
    run_in_child(
        "builder.engines.compile_engine:compile_engine",
        CompileRequest(key=key),
        inputs,
        work,
        CompileResult,
        gpu=None if target.gpu is None else target.gpu.uuid,
        time_limit=time_limit,
        tell=tell,
    )


def _with_trtexec(
    graph: EngineGraph,
    key: EngineKey,
    target: EngineTarget,
    work: Path,
    timing: Path,
    time_limit: float,
    tell: Callable[[str], None],
) -> None:
    out = work / "out"
    out.mkdir()
    if (earlier := read_timing_cache(timing)) is not None:
        (out / TIMING_CACHE).write_bytes(earlier)
    program = target.tool.trtexec or Path("trtexec")
    command = trtexec_command(program, key, graph.path, out / ENGINE, out / TIMING_CACHE)
    environment = os.environ | ({} if target.gpu is None else {"CUDA_VISIBLE_DEVICES": target.gpu.uuid})
    tell(f"{target.tool.title}: trtexec builds, which shows no progress")
    with (work / LOG).open("wb") as log:
        try:
            done = subprocess.run(
                command, stdout=log, stderr=subprocess.STDOUT, env=environment, timeout=time_limit, check=False
            )
        except subprocess.TimeoutExpired:
            raise KitError("trtexec took too long", where=graph.path, got=f"over {time_limit:.0f} s") from None
    if done.returncode != 0 or not (out / ENGINE).is_file():
        text = (work / LOG).read_text(errors="replace")
        errors = re.findall(r"^\[[^\]]*\] \[E\] (.+)$", text, flags=re.MULTILINE)
        raise builder_error(f"{target.tool.title} (trtexec)", graph.path, errors, graph.operators)
