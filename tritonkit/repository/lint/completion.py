"""Auto-complete: what the onnxruntime backend adds to a configuration (onnxruntime.cc `AutoCompleteConfig`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tritonkit.repository.config import new_config
from tritonkit.spec.dtypes import BY_ONNX_CODE
from tritonkit.spec.ngc import is_since

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tritonkit.repository.config import ModelConfig
    from tritonkit.repository.onnx_models import OnnxModel, OnnxTensor
    from tritonkit.spec.ngc import Release

# What the server passes to backends as `default-max-batch-size` unless told otherwise.
DEFAULT_MAX_BATCH_SIZE = 4


def normalize(config: ModelConfig) -> None:
    """Fills in what the core fills in for any model (model_config_utils.cc `NormalizeModelConfig`)."""
    if not config.HasField("version_policy"):
        config.version_policy.latest.num_versions = 1
    for batching in _batchers(config):
        if not batching.preferred_batch_size and config.max_batch_size > 0:
            batching.preferred_batch_size.append(config.max_batch_size)


def _batchers(config: ModelConfig) -> list[ModelConfig]:
    batchers = [config.dynamic_batching] if config.HasField("dynamic_batching") else []
    if config.HasField("sequence_batching") and config.sequence_batching.HasField("oldest"):
        batchers.append(config.sequence_batching.oldest)
    return batchers


def complete_onnx(config: ModelConfig, model: OnnxModel, release: Release) -> tuple[ModelConfig, str | None]:
    """A copy of `config` as the backend completes it for `model`, and why it cannot, if it cannot.

    A configuration that lists at least one input and one output is taken as it is.
    """
    completed = new_config()
    completed.CopyFrom(config)
    if (config.input or config.batch_input) and config.output:
        return completed, None
    tensors = (*model.inputs, *model.outputs)
    if all(tensor.dims and tensor.dims[0] == -1 for tensor in tensors):
        completed.max_batch_size = config.max_batch_size or DEFAULT_MAX_BATCH_SIZE
        if completed.max_batch_size > 1 and not config.WhichOneof("scheduling_choice"):
            completed.dynamic_batching.SetInParent()
    elif config.max_batch_size != 0:
        return completed, "model does not support batching while non-zero max_batch_size is specified"
    if not (config.input or config.batch_input):
        _add_tensors(completed.input, model.inputs, completed.max_batch_size, release)
    if not config.output:
        _add_tensors(completed.output, model.outputs, completed.max_batch_size, release)
    normalize(completed)
    return completed, None


def _add_tensors(field: ModelConfig, tensors: Iterable[OnnxTensor], max_batch_size: int, release: Release) -> None:
    for tensor in sorted(tensors, key=lambda tensor: tensor.name):
        entry = field.add()
        entry.name = tensor.name
        data_type = BY_ONNX_CODE.get(tensor.element_type)
        if data_type is not None and is_since(release, data_type.onnxruntime_since or release.name):
            entry.data_type = (
                entry.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_name[data_type.triton].number
            )
        dims = tensor.dims[1:] if max_batch_size > 0 else tensor.dims
        entry.dims.extend(dims or (1,))
        if not dims and max_batch_size > 0:
            entry.reshape.SetInParent()
