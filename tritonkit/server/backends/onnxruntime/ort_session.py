"""Opens the model of a version folder in ONNX Runtime."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnxruntime as ort
from ort_config import RefusedError, SessionSettings, check_accelerators, cpu_instances
from ort_processors import usable_processors

if TYPE_CHECKING:
    from collections.abc import Mapping

_STATUS_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ")
_LEVELS = {
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "none": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
}


def open_session(config: Mapping[str, Any], settings: SessionSettings, folder: str, *, optimise: bool = True) -> Any:
    """A session on the CPU for the model file that `config` names in the version folder `folder`.

    Args:
        config: the model's configuration.
        settings: what it says about its session.
        folder: the version folder.
        optimise: `False` opens it faster, for a look at its inputs and outputs.

    Raises:
        RefusedError: there is no such file, or ONNX Runtime does not take it.
    """
    path = _model_path(config, folder)
    check_accelerators(config)
    options = _options(settings, cpu_instances(config))
    if not optimise:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        for library in settings.op_libraries:
            options.register_custom_ops_library(library)
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - ONNX Runtime raises classes of its own
        raise RefusedError(plain_text(error)) from None


def run_options(settings: SessionSettings) -> Any:
    """The options of every run; `None` where there is nothing to say."""
    if not settings.run_entries:
        return None
    options = ort.RunOptions()
    for key, value in settings.run_entries:
        options.add_run_config_entry(key, value)
    return options


def plain_text(error: Exception) -> str:
    """ONNX Runtime's message without its status code, in one line."""
    return " ".join(_STATUS_PREFIX.sub("", str(error)).split())


def _model_path(config: Mapping[str, Any], folder: str) -> Path:
    # `cc_model_filenames` chooses by compute capability, so only GPU instances read it.
    path = Path(folder) / (config.get("default_model_filename") or "model.onnx")
    if path.is_dir():
        path /= "model.onnx"
    if not path.exists():
        raise RefusedError(f"unable to find '{path}' for model instance '{config.get('name', '')}'")
    return path


def _options(settings: SessionSettings, instances: int) -> Any:
    options = ort.SessionOptions()
    options.graph_optimization_level = _LEVELS[settings.graph_level]
    options.execution_mode = ort.ExecutionMode.ORT_PARALLEL if settings.parallel else ort.ExecutionMode.ORT_SEQUENTIAL
    # By default each session takes every processor of the node; several instances would then fight over them.
    options.intra_op_num_threads = settings.intra_op_threads or max(1, usable_processors() // instances)
    if settings.inter_op_threads:
        options.inter_op_num_threads = settings.inter_op_threads
    if settings.memory_arena is not None:
        options.enable_cpu_mem_arena = settings.memory_arena
    if settings.memory_pattern is not None:
        options.enable_mem_pattern = settings.memory_pattern
    for key, value in settings.session_entries:
        options.add_session_config_entry(key, value)
    return options
