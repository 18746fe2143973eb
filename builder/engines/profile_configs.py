"""A model's `config.pbtxt` -> `configs/PROFILE.pbtxt`, which `--model-config-name=PROFILE` chooses at start.

`config.pbtxt` itself goes on saying onnxruntime: a server that is started without the flag, or on a model without that
profile, serves the ONNX file. What names GPUs, engines or paths of one node stands in a profile alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.engines.records import sm_name
from tritonkit.repository.config import merge_config, write_config
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from builder.engines.profiles import Profile
    from builder.engines.records import EngineRecord, Precision
    from tritonkit.repository.config import ModelConfig

CONFIGS = "configs"
"""The folder of a model's profiles, as Triton names it."""
ONNX_FILE = "model.onnx"
"""What the onnxruntime backend takes where the configuration names no file."""
NO_ENGINE = "no_engine_for_this_gpu.plan"
"""The default file of a tensorrt profile, which does not exist: a GPU without an engine must fail to load, where
Triton would otherwise take the default file without a word."""

_ACCELERATOR_PRECISION: dict[Precision, str] = {"fp32": "FP32", "fp16": "FP16", "bf16": "BF16", "int8": "INT8"}


def plan_name(record: EngineRecord) -> str:
    """The file name of an engine in a model's version folder: `model_sm86_trt10.14.1.48_1f3a9c7b.plan`.

    Raises:
        InputError: it is an engine of TensorRT-RTX, which Triton's tensorrt backend cannot load.
    """
    key = record.key
    if key.library != "tensorrt":
        raise InputError(
            "Triton's tensorrt backend cannot load an engine of TensorRT-RTX",
            got=record.built_by,
            expected="an engine that TensorRT has built on the GPU node",
        )
    return f"model_{sm_name(key.compute_capability)}_trt{key.version}_{key.digest()[:8]}.plan"


def tensorrt_config(config: ModelConfig, engines: Sequence[EngineRecord], *, where: str) -> str:
    """The text of a profile that serves `engines`, one for each compute capability, with the tensorrt backend.

    Args:
        config: the model's own configuration, for the onnxruntime backend.
        engines: of the same ONNX file.
        where: the model's name, for errors.

    Raises:
        InputError: two engines are for one compute capability, none is given, one is TensorRT-RTX's, or the
            configuration batches beyond an engine's shapes.
    """
    if not engines:
        raise InputError("a tensorrt profile needs an engine", where=where)
    files: dict[str, str] = {}
    for record in engines:
        capability = record.key.compute_capability
        if capability in files:
            raise InputError("two engines are for one GPU", where=where, got=capability)
        _require_batch(config, record, where)
        files[capability] = plan_name(record)
    profile = merge_config(
        _without_onnxruntime(config),
        {"backend": "tensorrt", "default_model_filename": NO_ENGINE, "cc_model_filenames": dict(sorted(files.items()))},
        where=where,
    )
    return write_config(profile)


def accelerator_config(
    config: ModelConfig,
    precision: Precision,
    profile: Profile,
    *,
    cache_folder: str,
    workspace_bytes: int | None = None,
    optimization_level: int | None = None,
    where: str,
) -> str:
    """The text of a profile without engines of ours: ONNX Runtime builds them at the first load, and keeps them.

    Args:
        config: the model's own configuration, for the onnxruntime backend.
        precision: number format of the graph.
        profile: shapes that the engine takes.
        cache_folder: where ONNX Runtime keeps engines and timings: a writable folder of the node, which outlives the
            container. Without it every instance builds again at every start, for minutes.
        workspace_bytes: scratch memory of a layer.
        optimization_level: 0 to 5.
        where: the model's name, for errors.

    Raises:
        InputError: the accelerator has no mode for this precision.
    """
    mode = _ACCELERATOR_PRECISION.get(precision)
    if mode is None:
        raise InputError(
            "ONNX Runtime's TensorRT accelerator has no mode for this precision",
            where=where,
            got=precision,
            expected=", ".join(_ACCELERATOR_PRECISION),
        )
    parameters = {
        "precision_mode": mode,
        "trt_engine_cache_enable": "true",
        "trt_engine_cache_path": cache_folder,
        "trt_timing_cache_enable": "true",
        "trt_timing_cache_path": cache_folder,
    }
    if workspace_bytes is not None:
        parameters["max_workspace_size_bytes"] = str(workspace_bytes)
    if optimization_level is not None:
        parameters["trt_builder_optimization_level"] = str(optimization_level)
    if profile:
        for position, key in enumerate(("trt_profile_min_shapes", "trt_profile_opt_shapes", "trt_profile_max_shapes")):
            parameters[key] = ",".join(f"{name}:{_shape(shapes[position])}" for name, shapes in profile.items())
    accelerators = {"gpu_execution_accelerator": [{"name": "tensorrt", "parameters": parameters}]}
    accelerated = merge_config(_on_gpu(config), {"optimization": {"execution_accelerators": accelerators}}, where=where)
    return write_config(accelerated)


def _require_batch(config: ModelConfig, record: EngineRecord, where: str) -> None:
    for name, (_, _, largest) in record.key.profile.items():
        if config.max_batch_size > largest[0]:
            raise InputError(
                "this engine is for smaller batches than the configuration",
                where=where,
                got=f"max_batch_size {config.max_batch_size}",
                expected=f"at most {largest[0]}, the largest batch of {name} in {plan_name(record)}",
            )


def _without_onnxruntime(config: ModelConfig) -> ModelConfig:
    """What the backends do not share: ONNX Runtime's thread counts, graph level and accelerators."""
    plain = _on_gpu(config)
    plain.ClearField("platform")
    plain.ClearField("parameters")
    plain.optimization.ClearField("graph")
    plain.optimization.ClearField("execution_accelerators")
    if not plain.optimization.ListFields():
        plain.ClearField("optimization")
    return plain


def _on_gpu(config: ModelConfig) -> ModelConfig:
    """A copy whose instances are on GPUs alone: the tensorrt backend takes no other, and the accelerator does
    nothing elsewhere.
    """
    placed: ModelConfig = type(config)()
    placed.CopyFrom(config)
    if not placed.instance_group:
        placed.instance_group.add()
    for group in placed.instance_group:
        group.kind = group.KIND_GPU
    return placed


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
