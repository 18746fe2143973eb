"""Rules on warm-up samples, which are run while the model loads: one that does not fit fails the load."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tritonkit.repository.lint.findings import Finding
from tritonkit.spec.dtypes import BY_TRITON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tritonkit.repository.config import ModelConfig
    from tritonkit.repository.lint.findings import ModelFacts, Repository


def warmup_data(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Each warm-up input has fixed dims and says where its data come from; a file holds enough bytes."""
    del repository
    for key, name, entry in _entries(model):
        if -1 in entry.dims:
            yield Finding(
                key=f"{key}.dims",
                cause=f"warmup setting expects all variable-size dimensions are specified for input {name!r}",
                fix="give a size",
            )
            continue
        source = entry.WhichOneof("input_data_type")
        if source is None:
            yield Finding(
                key=key,
                cause=f"warmup setting expects input {name!r} to have input_data_type set",
                fix="set zero_data, random_data or input_data_file",
            )
        elif source == "input_data_file":
            yield from _file_findings(model, key, entry)


def _file_findings(model: ModelFacts, key: str, entry: ModelConfig) -> Iterator[Finding]:
    path = model.folder / "warmup" / entry.input_data_file
    data_type = BY_TRITON.get(_type_name(entry))
    needed = math.prod(entry.dims) * data_type.size if data_type else 0
    if not path.is_file():
        yield Finding(
            key=f"{key}.input_data_file",
            cause=f"there is no {model.name}/warmup/{entry.input_data_file}",
            fix="put the file there",
        )
    elif path.stat().st_size < needed:
        yield Finding(
            key=f"{key}.input_data_file",
            file=f"{model.name}/warmup/{entry.input_data_file}",
            cause=f"warmup setting expects {needed} bytes, but the file only has {path.stat().st_size}",
            fix="write the whole tensor into it",
        )


def warmup_inputs(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A warm-up sample is a request: it brings every required input, of the model's type and dims, and no unknown one.

    The onnxruntime backend alone refuses one that the model lacks.
    """
    del repository
    if not model.tensors_known:
        return
    inputs = {tensor.name: tensor for tensor in model.completed.input}
    for index, sample in enumerate(model.completed.model_warmup):
        if sample.batch_size == 0:
            continue
        missing = [name for name, tensor in inputs.items() if not tensor.optional and name not in sample.inputs]
        if missing:
            yield Finding(
                key=f"model_warmup[{index}].inputs",
                cause=f"the sample lacks the required input {missing[0]!r}",
                fix="add it",
            )
        for name, entry in sample.inputs.items():
            if name in inputs:
                yield from _fit_findings(f"model_warmup[{index}].inputs.{name}", name, entry, inputs[name])
            elif model.config.backend == "onnxruntime":
                yield Finding(
                    key=f"model_warmup[{index}].inputs.{name}",
                    cause=f"the model has no input {name!r}",
                    fix=f"name one of {', '.join(inputs)}",
                )


def warmup_batch(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A sample's batch is run at once: it is at most max_batch_size, 1 without batching; a failure may end the server."""
    del repository
    most = max(1, model.completed.max_batch_size)
    for index, sample in enumerate(model.completed.model_warmup):
        if sample.batch_size > most:
            yield Finding(
                key=f"model_warmup[{index}].batch_size",
                cause=f"batch size {sample.batch_size}, max allowed is {most}: the load fails, or the whole server ends",
                fix=f"set batch_size: {most}",
            )


def _fit_findings(key: str, name: str, entry: ModelConfig, tensor: ModelConfig) -> Iterator[Finding]:
    if entry.data_type != tensor.data_type:
        yield Finding(
            key=f"{key}.data_type",
            cause=f"the sample's {name!r} is {_type_name(entry)} and the model expects {_type_name(tensor)}",
            fix=f"set {_type_name(tensor)}",
        )
    fits = len(entry.dims) == len(tensor.dims) and all(
        wanted in (-1, got) for wanted, got in zip(tensor.dims, entry.dims, strict=True)
    )
    if not fits:
        yield Finding(
            key=f"{key}.dims",
            cause=f"the sample's {name!r} has dims {list(entry.dims)} and the model expects {list(tensor.dims)}",
            fix="give dims as in the input, without the batch dimension",
        )


def warmup_unused(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A sample of batch size 0 is skipped."""
    del repository
    for index, sample in enumerate(model.completed.model_warmup):
        if sample.batch_size == 0:
            yield Finding(
                key=f"model_warmup[{index}].batch_size",
                cause="a sample without batch_size is skipped",
                fix="set batch_size: 1",
            )


def _entries(model: ModelFacts) -> Iterator[tuple[str, str, ModelConfig]]:
    for index, sample in enumerate(model.completed.model_warmup):
        if sample.batch_size != 0:
            for name, entry in sample.inputs.items():
                yield f"model_warmup[{index}].inputs.{name}", name, entry


def _type_name(entry: ModelConfig) -> str:
    values = entry.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number
    return str(values[entry.data_type].name) if entry.data_type in values else str(entry.data_type)
