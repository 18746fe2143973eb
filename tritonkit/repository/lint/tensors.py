"""Rules on inputs and outputs by themselves, of any backend (core, model_config_utils.cc `ValidateModelIOConfig`)."""

from __future__ import annotations

import math
import os
from itertools import groupby
from typing import TYPE_CHECKING

from tritonkit.repository.lint.findings import Finding
from tritonkit.spec.ngc import is_since

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tritonkit.repository.config import ModelConfig
    from tritonkit.repository.lint.findings import ModelFacts, Repository

LABELS_STAY_INSIDE_SINCE = "26.02"
_NCHW_OR_NHWC = ("FORMAT_NHWC", "FORMAT_NCHW")


def max_batch_size(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """`max_batch_size` is 0 for a model that does not batch, or more."""
    del repository
    if model.config.max_batch_size < 0:
        yield Finding(
            key="max_batch_size",
            cause="'max_batch_size' must be non-negative value",
            fix="set 0 for a model that does not batch",
        )


def tensor_name(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Every input and output has a name."""
    del repository
    for key, tensor in tensors(model.completed):
        if not tensor.name:
            yield Finding(key=f"{key}.name", cause="it has no name", fix="give the name that the model has for it")


def tensor_data_type(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Every input and output has a data type."""
    del repository
    given = {(side, tensor.name) for side in ("input", "output") for tensor in getattr(model.given, side)}
    for key, tensor in tensors(model.completed):
        if tensor.data_type == 0:
            is_given = (key.partition("[")[0], tensor.name) in given
            yield Finding(
                key=f"{key}.data_type",
                cause=f"{tensor.name!r} must specify 'data_type'"
                if is_given
                else f"the model's tensor {tensor.name!r} is of a type that Triton does not have for this backend",
                fix="set data_type, as TYPE_FP32" if is_given else "cast it inside the model",
            )


def tensor_dims(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Every input and output has dims, each at least 1, or -1 for a free one."""
    del repository
    for key, tensor in tensors(model.completed):
        if not tensor.dims:
            yield Finding(
                key=f"{key}.dims",
                cause=f"{tensor.name!r} must specify 'dims'",
                fix="set dims without the batch dimension; [ 1 ] for a scalar"
                + (", with reshape { shape: [ ] }" if model.completed.max_batch_size > 0 else ""),
            )
        bad = [dim for dim in tensor.dims if dim < 1 and dim != -1]
        if bad:
            yield Finding(
                key=f"{key}.dims",
                cause=f"dimension {bad[0]} of {tensor.name!r} must be integer >= 1, or -1 for a variable-size one",
                fix="set the dimension, or -1",
            )


def tensor_reshape(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """`reshape` holds as many elements as `dims`, between free dimensions too; it is not empty without batching."""
    del repository
    for key, tensor in tensors(model.completed):
        if not tensor.HasField("reshape"):
            continue
        cause = _reshape_cause(list(tensor.dims), list(tensor.reshape.shape), model.completed.max_batch_size)
        if cause is not None:
            yield Finding(
                key=f"{key}.reshape",
                cause=f"{tensor.name!r}: {cause}",
                fix="make the element counts of dims and reshape equal, or leave reshape out",
            )


def _reshape_cause(dims: list[int], shape: list[int], batch: int) -> str | None:
    if not shape and batch == 0:
        return "cannot have empty reshape for non-batching model as scalar tensors are not supported"
    if any(dim < 1 and dim != -1 for dim in shape):
        return "reshape dimensions must be integer >= 1, or -1"
    dims_size, shape_size = _element_count(dims), _element_count(shape)
    if dims_size != shape_size and (shape_size != 0 or dims_size != 1):
        return f"has different size for dims {dims} and reshape {shape}"
    if dims_size == -1 and _trunks(dims) != _trunks(shape):
        return f"has different size between the free dimensions of dims {dims} and reshape {shape}"
    return None


def _element_count(dims: Sequence[int]) -> int:
    """As the server counts: -1 with a free dimension, and 0 of nothing."""
    if -1 in dims:
        return -1
    return math.prod(dims) if dims else 0


def _trunks(dims: list[int]) -> list[int]:
    """Element counts of the runs before, between and after free dimensions."""
    counts, current = [], 1
    for dim in dims:
        if dim == -1:
            counts.append(current)
            current = 1
        else:
            current *= dim
    return [*counts, current]


def tensor_format(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """FORMAT_NCHW and FORMAT_NHWC have three dims."""
    del repository
    for index, tensor in enumerate(model.completed.input):
        values = tensor.DESCRIPTOR.fields_by_name["format"].enum_type.values_by_number
        if tensor.format in values and values[tensor.format].name in _NCHW_OR_NHWC and len(tensor.dims) != 3:
            yield Finding(
                key=f"input[{index}].format",
                cause=f"{tensor.name!r}: model input NHWC/NCHW require 3 dims, and it has {len(tensor.dims)}",
                fix="leave the batch dimension out of dims, or leave format out",
            )


def tensor_of_tensorrt(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Shape tensors and non-linear formats are for TensorRT alone; the latter have three dims."""
    del repository
    is_tensorrt = model.completed.platform == "tensorrt_plan"
    for key, tensor in tensors(model.completed):
        if tensor.is_shape_tensor and not is_tensorrt:
            yield Finding(
                key=f"{key}.is_shape_tensor",
                cause="shape tensors are only supported for TensorRT platform",
                fix="leave is_shape_tensor out",
            )
        non_linear = getattr(tensor, "is_non_linear_format_io", False)
        if non_linear and (not is_tensorrt or len(tensor.dims) != 3):
            yield Finding(
                key=f"{key}.is_non_linear_format_io",
                cause="Non-linear IO format is for TensorRT tensors of 3 dims only",
                fix="leave is_non_linear_format_io out",
            )


def label_file(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """The label file must be in the model's directory, beside config.pbtxt; fewer labels than classes are fine."""
    for index, tensor in enumerate(model.completed.output):
        if not tensor.label_filename:
            continue
        key = f"output[{index}].label_filename"
        path = model.folder / tensor.label_filename
        inside = os.path.realpath(path).startswith(os.path.realpath(model.folder))
        if not path.is_file():
            yield Finding(
                key=key,
                cause=f"failed to open text file for read: there is no {model.name}/{tensor.label_filename}",
                fix="put the file beside config.pbtxt",
            )
        elif not inside:
            strict = is_since(repository.target.release, LABELS_STAY_INSIDE_SINCE)
            yield Finding(
                key=key,
                severity="error" if strict else "warning",
                cause=f"the file is outside the model's directory, refused since {LABELS_STAY_INSIDE_SINCE}",
                fix="put the file beside config.pbtxt",
            )


def label_file_twice(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """An output that is listed twice can have one label file."""
    del repository
    named = sorted(tensor.name for tensor in model.completed.output if tensor.label_filename)
    for name, group in groupby(named):
        if len(list(group)) > 1:
            yield Finding(key="output", cause=f"multiple label files for {name!r}", fix="list the output once")


_BATCH_INPUT_TYPES = ("TYPE_INT32", "TYPE_FP32")


def batch_tensors(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """`batch_input` and `batch_output` have one source, which is an input, and targets, which are outputs."""
    del repository
    config = model.completed
    inputs, outputs = {tensor.name for tensor in config.input}, {tensor.name for tensor in config.output}
    for key, entry in [(f"batch_input[{i}]", entry) for i, entry in enumerate(config.batch_input)]:
        types = entry.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number
        if entry.data_type not in types or types[entry.data_type].name not in _BATCH_INPUT_TYPES:
            yield Finding(
                key=f"{key}.data_type",
                cause="batch input data type must be TYPE_INT32 or TYPE_FP32",
                fix="set one of the two",
            )
        yield from _source_findings(key, entry, inputs)
    for key, entry in [(f"batch_output[{i}]", entry) for i, entry in enumerate(config.batch_output)]:
        yield from _source_findings(key, entry, inputs)
        for name in entry.target_name:
            if name not in outputs:
                yield Finding(
                    key=f"{key}.target_name", cause=f"unknown target output name {name!r}", fix="name an output"
                )
        if len(set(entry.target_name)) != len(entry.target_name):
            yield Finding(
                key=f"{key}.target_name", cause="a target output name can only be specified once", fix="name it once"
            )


def _source_findings(key: str, entry: ModelConfig, inputs: set[str]) -> Iterator[Finding]:
    if len(entry.source_input) != 1:
        yield Finding(
            key=f"{key}.source_input",
            cause=f"it expects 1 source input, got {len(entry.source_input)}",
            fix="name the one input",
        )
    for name in entry.source_input:
        if name not in inputs:
            yield Finding(key=f"{key}.source_input", cause=f"unknown source input name {name!r}", fix="name an input")


def tensors(config: ModelConfig) -> Iterator[tuple[str, ModelConfig]]:
    """Every input and output of `config`, with its key."""
    for side in ("input", "output"):
        for index, tensor in enumerate(getattr(config, side)):
            yield f"{side}[{index}]", tensor
