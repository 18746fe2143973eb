"""Rules on execution accelerators of the onnxruntime backend (onnxruntime.cc, `LoadModel`)."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from tritonkit.repository.lint.findings import Finding
from tritonkit.repository.lint.numbers_in_text import is_truth_value, read_int
from tritonkit.repository.lint.onnx_parameters import runs_on_gpu
from tritonkit.spec.ngc import is_since

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tritonkit.repository.config import ModelConfig
    from tritonkit.repository.lint.findings import ModelFacts, Repository
    from tritonkit.spec.lint_report import Severity

TENSORRT_INTEGERS = (
    "trt_max_partition_iterations",
    "trt_min_subgraph_size",
    "trt_dla_core",
    "trt_builder_optimization_level",
    "trt_auxiliary_streams",
    "trt_ep_context_embed_mode",
)
TENSORRT_TRUTH_VALUES = (
    "int8_use_native_calibration_table",
    "trt_dla_enable",
    "trt_engine_cache_enable",
    "trt_dump_subgraphs",
    "trt_force_sequential_engine_build",
    "trt_context_memory_sharing_enable",
    "trt_layer_norm_fp32_fallback",
    "trt_timing_cache_enable",
    "trt_force_timing_cache",
    "trt_detailed_build_log",
    "trt_build_heuristics_enable",
    "trt_sparsity_enable",
    "trt_cuda_graph_enable",
    "trt_dump_ep_context_model",
)
TENSORRT_STRINGS = (
    "int8_calibration_table_name",
    "trt_engine_cache_path",
    "trt_engine_cache_prefix",
    "trt_timing_cache_path",
    "trt_tactic_sources",
    "trt_extra_plugin_lib_paths",
    "trt_profile_min_shapes",
    "trt_profile_max_shapes",
    "trt_profile_opt_shapes",
    "trt_ep_context_file_path",
)
TENSORRT_PARAMETERS = (
    "precision_mode",
    "max_workspace_size_bytes",
    *TENSORRT_INTEGERS,
    *TENSORRT_TRUTH_VALUES,
    *TENSORRT_STRINGS,
)
PRECISION_MODES = ("FP32", "FP16", "INT8")
BF16_MODE_SINCE = "26.02"
CUDA_TRUTH_VALUES = ("do_copy_in_default_stream", "use_ep_level_unified_stream")


def cpu_accelerator(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """The one CPU accelerator is openvino."""
    del repository
    for key, entry in _accelerators(model, "cpu_execution_accelerator"):
        if entry.name != "openvino":
            yield Finding(
                key=f"{key}.name",
                cause=f"unknown Execution Accelerator {entry.name!r} is requested",
                fix="name openvino, or leave it out",
            )


def cpu_accelerator_openvino(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A backend built without OpenVINO refuses the model; that of the x86-64 NGC image is built with it."""
    del repository
    for key, entry in _accelerators(model, "cpu_execution_accelerator"):
        if entry.name == "openvino":
            yield Finding(
                key=f"{key}.name",
                cause="unknown Execution Accelerator 'openvino' is requested, of a backend that was built without it",
                fix="leave it out; or, for the x86-64 NGC image alone, lint with --ignore cpu-accelerator-openvino",
            )


def gpu_accelerator(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """GPU accelerators are tensorrt and cuda. A server without GPUs ignores the list: there a fault only warns."""
    severity: Severity | None = None if runs_on_gpu(model, repository) else "warning"
    for key, entry in _accelerators(model, "gpu_execution_accelerator"):
        if entry.name not in ("tensorrt", "cuda"):
            near = difflib.get_close_matches(entry.name, ["tensorrt", "cuda"], n=1)
            yield Finding(
                key=f"{key}.name",
                severity=severity,
                cause=f"unknown Execution Accelerator {entry.name!r} is requested",
                fix=f"did you mean {near[0]}?" if near else "name tensorrt or cuda, or leave it out",
            )


def gpu_accelerator_parameter(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Parameters of tensorrt are of a closed list, each of one type; two of cuda are truth values."""
    severity: Severity | None = None if runs_on_gpu(model, repository) else "warning"
    with_bf16 = is_since(repository.target.release, BF16_MODE_SINCE)
    for key, entry in _accelerators(model, "gpu_execution_accelerator"):
        for name, value in entry.parameters.items():
            cause = None
            if entry.name == "tensorrt":
                cause = _tensorrt_cause(name, value, with_bf16=with_bf16)
            elif entry.name == "cuda" and name in CUDA_TRUTH_VALUES and not is_truth_value(value):
                cause = f"failed to convert {value!r} to boolean"
            if cause is not None:
                near = difflib.get_close_matches(name, TENSORRT_PARAMETERS, n=1)
                yield Finding(
                    key=f"{key}.parameters.{name}",
                    severity=severity,
                    cause=cause,
                    fix=f"did you mean {near[0]}?"
                    if near and name not in TENSORRT_PARAMETERS
                    else "mend it, or leave it out",
                )


def _tensorrt_cause(name: str, value: str, *, with_bf16: bool) -> str | None:
    if name not in TENSORRT_PARAMETERS:
        return f"unknown parameter {name!r} is provided for TensorRT Execution Accelerator"
    if name == "precision_mode":
        modes = (*PRECISION_MODES, "BF16") if with_bf16 else PRECISION_MODES
        return None if value in modes else f"unsupported precision mode {value!r} is requested"
    if name in TENSORRT_TRUTH_VALUES:
        return None if is_truth_value(value) else f"failed to convert {value!r} to boolean"
    if name in TENSORRT_STRINGS:
        return None
    reading = read_int(value, bits=65 if name == "max_workspace_size_bytes" else 32)
    return {
        "invalid": f"failed to convert {value!r} to integral number",
        "overflow": f"{value} is too large a number, and reading it aborts the whole server",
    }.get(str(reading))


def _accelerators(model: ModelFacts, side: str) -> Iterator[tuple[str, ModelConfig]]:
    if model.config.backend == "onnxruntime":
        for index, entry in enumerate(getattr(model.config.optimization.execution_accelerators, side)):
            yield f"optimization.execution_accelerators.{side}[{index}]", entry
