"""Rules on the `parameters` that the onnxruntime backend reads (onnxruntime.cc, `ModelState`)."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from tritonkit.repository.lint.findings import Finding
from tritonkit.repository.lint.instances import group_kind
from tritonkit.repository.lint.numbers_in_text import is_truth_value, read_int
from tritonkit.spec.ngc import is_since

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tritonkit.repository.lint.findings import ModelFacts, Repository

INTEGERS = ("intra_op_thread_count", "inter_op_thread_count", "execution_mode")
TRUTH_VALUES = ("enable_mem_arena", "enable_mem_pattern")
GPU_INTEGERS = {"cudnn_conv_algo_search": (0, 1, 2), "arena_extend_strategy": (0, 1)}
GPU_OTHERS = ("gpu_mem_limit", "do_copy_in_default_stream")
UNCHECKED = ("memory.enable_memory_arena_shrinkage", "session.use_device_allocator_for_initializers")
KNOWN = (*INTEGERS, *TRUTH_VALUES, *GPU_INTEGERS, *GPU_OTHERS, *UNCHECKED)
# Of the core, whatever the backend.
_CORE_PARAMETERS = ("TRITON_BATCH_STRATEGY_PATH",)
DEVICE_ALLOCATOR_SINCE = "25.02"


def parameter_integer(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Thread counts and execution_mode begin with digits, which fit into 32 bits: beyond, the whole server aborts."""
    if model.config.backend != "onnxruntime":
        return
    names = (*INTEGERS, *(GPU_INTEGERS if runs_on_gpu(model, repository) else ()))
    for name in names:
        if name not in model.config.parameters:
            continue
        value = model.config.parameters[name].string_value
        reading = read_int(value)
        if reading == "invalid":
            yield Finding(
                key=f"parameters.{name}",
                cause=f"failed to convert {value!r} to integral number",
                fix='give a whole number as a string_value, as "1"',
            )
        elif reading == "overflow":
            yield Finding(
                key=f"parameters.{name}",
                cause=f"{value} does not fit into 32 bits, and reading it aborts the whole server",
                fix="give a small number",
            )


def parameter_choice(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """execution_mode is 0 or 1; the GPU's algorithm search and arena strategy are one of theirs."""
    if model.config.backend != "onnxruntime":
        return
    choices: dict[str, tuple[int, ...]] = {"execution_mode": (0, 1)}
    if runs_on_gpu(model, repository):
        choices |= GPU_INTEGERS
    for name, allowed in choices.items():
        if name not in model.config.parameters:
            continue
        reading = read_int(model.config.parameters[name].string_value)
        if isinstance(reading, int) and reading not in allowed:
            yield Finding(
                key=f"parameters.{name}",
                cause=f"expected values for {name} are {', '.join(map(str, allowed))} but got {reading}",
                fix="give one of them",
            )


def parameter_truth_value(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """The memory switches are true, on, 1, false, off or 0, in any case."""
    del repository
    if model.config.backend != "onnxruntime":
        return
    for name in TRUTH_VALUES:
        if name in model.config.parameters and not is_truth_value(model.config.parameters[name].string_value):
            yield Finding(
                key=f"parameters.{name}",
                cause=f"failed to convert {model.config.parameters[name].string_value!r} to boolean",
                fix='give "true" or "false"',
            )


def parameter_unknown(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """The backend ignores parameters that it does not know."""
    del repository
    if model.config.backend != "onnxruntime":
        return
    for name in model.config.parameters:
        if name not in KNOWN and name not in _CORE_PARAMETERS:
            near = difflib.get_close_matches(name, KNOWN, n=1)
            yield Finding(
                key=f"parameters.{name}",
                cause="the ONNX Runtime backend has no such parameter and ignores it",
                fix=f"did you mean {near[0]}?" if near else "leave it out",
            )


def parameter_without_effect(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Some values load and do nothing: negative counts, inter-op threads in sequence, what is too new."""
    if model.config.backend != "onnxruntime":
        return
    parameters, release = model.config.parameters, repository.target.release
    values = {name: read_int(parameters[name].string_value) for name in INTEGERS if name in parameters}
    for name in ("intra_op_thread_count", "inter_op_thread_count"):
        value = values.get(name)
        if isinstance(value, int) and value < 0:
            yield Finding(key=f"parameters.{name}", cause="a negative count is ignored", fix="leave it out")
    threads = values.get("inter_op_thread_count")
    if isinstance(threads, int) and threads > 0 and values.get("execution_mode", 0) == 0:
        yield Finding(
            key="parameters.inter_op_thread_count",
            cause="it has an effect with execution_mode 1 alone",
            fix='set execution_mode to "1", or leave it out',
        )
    allocator = "session.use_device_allocator_for_initializers"
    if allocator in parameters and not is_since(release, DEVICE_ALLOCATOR_SINCE):
        yield Finding(
            key=f"parameters.{allocator}",
            cause=f"{release.name} ignores it: Triton knows it since {DEVICE_ALLOCATOR_SINCE}",
            fix="leave it out",
        )


def runs_on_gpu(model: ModelFacts, repository: Repository) -> bool:
    """Whether at least one instance of the model will be a GPU's."""
    if not repository.target.gpus:
        return False
    kinds = [group_kind(group, gpus=True) for group in model.config.instance_group]
    return not kinds or "KIND_GPU" in kinds
