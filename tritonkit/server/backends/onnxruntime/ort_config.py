"""Reads a model configuration as the C++ onnxruntime backend does: which values it takes, refuses and ignores.

Everything here is a pure function of the configuration (Triton's JSON form) and of the backend's own settings.
Source of the rules: src/onnxruntime.cc of triton-inference-server/onnxruntime_backend.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_MAX_BATCH_SIZE = 4
_INT_RANGE = range(-(2**31), 2**31)
_LEADING_INTEGER = re.compile(r"[ \t\n\v\f\r]*([+-]?\d+)", re.ASCII)


class RefusedError(Exception):
    """The model does not load, or a request fails, for the reason in the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSettings:
    """`--backend-config=onnxruntime,KEY=VALUE`, and the release that this backend stands for.

    Attributes:
        default_max_batch_size: what auto-complete gives a model that can batch.
        global_threads: (intra-op, inter-op) of the global thread pool, 0 for ONNX Runtime's default; `None` when
            each session has its own.
        target: (year, month) of the NGC release.
    """

    default_max_batch_size: int
    global_threads: tuple[int, int] | None
    target: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """What a configuration says about its session.

    Attributes:
        graph_level: all, extended, basic or none.
        parallel: whether independent nodes run in parallel (`execution_mode` 1).
        intra_op_threads: 0 means the default.
        inter_op_threads: 0 means the default; used in parallel mode.
        memory_arena, memory_pattern: `None` means ONNX Runtime's default.
        session_entries, run_entries: configuration entries handed on as they are.
        op_libraries: shared libraries with custom operators.
    """

    graph_level: str
    parallel: bool
    intra_op_threads: int
    inter_op_threads: int
    memory_arena: bool | None
    memory_pattern: bool | None
    session_entries: tuple[tuple[str, str], ...]
    run_entries: tuple[tuple[str, str], ...]
    op_libraries: tuple[str, ...]


def parse_integer(text: str) -> int:
    """An integer as `std::stoi` reads it: blanks before it and anything after it are allowed.

    Raises:
        RefusedError: there is no integer, or it does not fit (which ends the C++ server at once).
    """
    found = _LEADING_INTEGER.match(text)
    if found is None:
        raise RefusedError(f"failed to convert '{text}' to integral number")
    number = int(found.group(1))
    if number not in _INT_RANGE:
        raise RefusedError(f"'{text}' does not fit a 32-bit integer; the server of the container aborts on it")
    return number


def parse_boolean(text: str) -> bool:
    """A boolean as Triton's backends read it, in any case.

    Raises:
        RefusedError: it is none of true, on, 1, false, off, 0.
    """
    # Lower case of ASCII alone, as the C locale's tolower.
    lowered = text.encode().lower().decode()
    if lowered in {"true", "on", "1"}:
        return True
    if lowered in {"false", "off", "0"}:
        return False
    raise RefusedError(f"failed to convert '{text}' to boolean")


def backend_settings(environment: Mapping[str, str]) -> BackendSettings:
    """The backend's settings, which reach a Python backend through its environment only.

    Raises:
        RefusedError: a value does not parse; then no model of this backend loads.
    """
    prefix = "TRITONKIT_ONNXRUNTIME_"
    batch_size = environment.get(f"{prefix}DEFAULT_MAX_BATCH_SIZE")
    threads = None
    if parse_boolean(environment.get(f"{prefix}ENABLE_GLOBAL_THREADPOOL", "false")):
        intra = parse_integer(environment.get(f"{prefix}INTRA_OP_THREAD_COUNT", "0"))
        inter = parse_integer(environment.get(f"{prefix}INTER_OP_THREAD_COUNT", "0"))
        threads = (max(intra, 0), max(inter, 0))
    year, _, month = environment.get("TRITONKIT_TARGET", "99.12").partition(".")
    return BackendSettings(
        default_max_batch_size=DEFAULT_MAX_BATCH_SIZE if batch_size is None else max(parse_integer(batch_size), 0),
        global_threads=threads,
        target=(int(year), int(month)),
    )


def session_settings(config: Mapping[str, Any], backend: BackendSettings) -> SessionSettings:
    """What `config` says about its session. Unknown parameters, and those of GPU instances, are ignored.

    Raises:
        RefusedError: a value that the C++ backend refuses.
    """
    values = {key: value.get("string_value", "") for key, value in config.get("parameters", {}).items()}
    mode = parse_integer(values.get("execution_mode", "0"))
    if mode not in {0, 1}:
        raise RefusedError(f"expected values for execution_mode are 0 or 1 but got {mode}")
    intra = inter = 0
    if backend.global_threads is not None:
        intra, inter = backend.global_threads
    else:
        intra = parse_integer(values.get("intra_op_thread_count", "0"))
        inter = parse_integer(values.get("inter_op_thread_count", "0"))
    level = int(config.get("optimization", {}).get("graph", {}).get("level", 0))
    return SessionSettings(
        graph_level={-1: "basic", 1: "extended", 2: "none"}.get(level, "all"),
        parallel=mode == 1,
        intra_op_threads=max(intra, 0),
        inter_op_threads=max(inter, 0),
        memory_arena=_optional_boolean(values, "enable_mem_arena"),
        memory_pattern=_optional_boolean(values, "enable_mem_pattern"),
        session_entries=_session_entries(values, backend),
        run_entries=_entries(values, "memory.enable_memory_arena_shrinkage"),
        op_libraries=tuple(config.get("model_operations", {}).get("op_library_filename", ())),
    )


def check_accelerators(config: Mapping[str, Any]) -> None:
    """Refuses every CPU accelerator: this ONNX Runtime, as a plain build of the C++ backend, has none.

    Raises:
        RefusedError: one is asked for. GPU accelerators are read for GPU instances only.
    """
    accelerators = config.get("optimization", {}).get("execution_accelerators", {})
    for accelerator in accelerators.get("cpu_execution_accelerator", ()):
        raise RefusedError(f"unknown Execution Accelerator '{accelerator.get('name', '')}' is requested")


def cpu_instances(config: Mapping[str, Any]) -> int:
    """How many sessions of this model share the processors."""
    return max(1, sum(int(group.get("count", 1)) for group in config.get("instance_group", ())))


def _optional_boolean(values: Mapping[str, str], key: str) -> bool | None:
    return parse_boolean(values[key]) if key in values else None


def _entries(values: Mapping[str, str], key: str) -> tuple[tuple[str, str], ...]:
    return ((key, values[key]),) if key in values else ()


def _session_entries(values: Mapping[str, str], backend: BackendSettings) -> tuple[tuple[str, str], ...]:
    # The key is known since 25.02; before, it was ignored like any other unknown one.
    return _entries(values, "session.use_device_allocator_for_initializers") if backend.target >= (25, 2) else ()
