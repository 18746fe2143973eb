"""Rules that hold a configuration against the ONNX file of each version (onnxruntime.cc, at instance creation)."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from tritonkit.repository.lint.completion import complete_onnx
from tritonkit.repository.lint.findings import Finding
from tritonkit.repository.lint.onnx_files import onnx_path
from tritonkit.repository.lint.schedulers import BOOLEAN_CONTROLS, CORRELATION_CONTROL, controls_of_kind
from tritonkit.spec.dtypes import BY_ONNX_CODE, BY_TRITON
from tritonkit.spec.ngc import is_since

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tritonkit.repository.config import ModelConfig
    from tritonkit.repository.lint.findings import ModelFacts, OnnxFile, Repository
    from tritonkit.repository.onnx_models import OnnxModel, OnnxTensor


def onnx_completion(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A batch size with a model whose tensors do not all begin with a free dimension cannot be completed."""
    for file in model.onnx if repository.target.auto_complete else ():
        onnx = file.model
        if onnx is None:
            continue
        _, error = complete_onnx(model.config, onnx, repository.target.release)
        if error is not None:
            fixed = next(t for t in (*onnx.inputs, *onnx.outputs) if not t.dims or t.dims[0] != -1)
            yield Finding(
                key="max_batch_size",
                cause=f"autofill failed: {error}: {fixed.name!r} of {onnx_path(model, file)} is {list(fixed.dims)}",
                fix="set max_batch_size: 0, or export the model with a free batch dimension",
            )


def onnx_input_count(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Inputs, sequence controls, states and batch inputs, without optional ones, are as many as the model's inputs."""
    for file, onnx, config in _versions(model, repository):
        expected = sum(1 for tensor in config.input if not tensor.optional) + len(config.batch_input)
        if config.HasField("sequence_batching"):
            expected += sum(1 for kind in (*BOOLEAN_CONTROLS, CORRELATION_CONTROL) if controls_of_kind(config, kind))
            expected += len(config.sequence_batching.state)
        if expected != len(onnx.inputs):
            named = {tensor.name for tensor in config.input}
            missing = [tensor.name for tensor in onnx.inputs if tensor.name not in named]
            yield Finding(
                key="input",
                cause=f"configuration expects {expected} inputs, model provides {len(onnx.inputs)}"
                f" ({onnx_path(model, file)}: {_listed(tensor.name for tensor in onnx.inputs)})",
                fix=f"add {', '.join(missing)}" if missing else "list each of the model's inputs once",
            )


def onnx_tensor_names(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Each input and output of the configuration is one of the model's; outputs may be left out."""
    for _, onnx, config in _versions(model, repository):
        for side, key, tensor in _tensors(config):
            allowed = _allowed(onnx, side)
            if tensor.name and tensor.name not in allowed:
                near = difflib.get_close_matches(tensor.name, allowed, n=1, cutoff=0.3)
                yield Finding(
                    key=f"{key}.name",
                    cause=f"unexpected inference {side} {tensor.name!r}, allowed {side}s are: {_listed(allowed)}",
                    fix=f"did you mean {near[0]!r}?" if near else f"name one of the model's {side}s",
                )


def onnx_data_types(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Data types are the model's."""
    release = repository.target.release
    for _, onnx, config in _versions(model, repository):
        for side, key, tensor in _tensors(config):
            found = _allowed(onnx, side).get(tensor.name)
            word = _type_word(tensor)
            known = BY_TRITON.get(word)
            if found is None or tensor.data_type == 0:
                continue
            if known is None or not is_since(release, known.onnxruntime_since or release.name):
                since = known.onnxruntime_since if known else None
                yield Finding(
                    key=f"{key}.data_type",
                    cause=f"unsupported datatype {word} for {tensor.name!r} in the ONNX backend of {release.name}"
                    + (f" (since {since})" if since else ""),
                    fix="cast it inside the model",
                )
            elif known.onnx_code != found.element_type:
                model_type = BY_ONNX_CODE.get(found.element_type)
                yield Finding(
                    key=f"{key}.data_type",
                    cause=f"configuration expects datatype {word} for {tensor.name!r}, model provides"
                    f" {model_type.triton if model_type else 'a type that Triton does not have'}",
                    fix=f"set data_type: {model_type.triton}" if model_type else "cast it inside the model",
                )


def onnx_dims(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Dims are the model's, without the batch dimension where max_batch_size > 0.

    An input may fix what the model leaves free; an output must say exactly what the model says. `reshape` stands in
    for dims. A scalar takes dims of ones.
    """
    for _, onnx, config in _versions(model, repository):
        if config.max_batch_size < 0:
            continue
        scattered = {name for entry in config.batch_output for name in entry.target_name}
        for side, key, tensor in _tensors(config):
            found = _allowed(onnx, side).get(tensor.name)
            is_flattened = tensor.name in scattered if side == "output" else tensor.allow_ragged_batch
            if found is None or is_flattened or not tensor.dims or any(dim < 1 and dim != -1 for dim in tensor.dims):
                continue
            dims = list(tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims)
            problem = _dims_problem(found, dims, config.max_batch_size, exact=side == "output")
            if problem is not None:
                yield Finding(
                    key=f"{key}.{'reshape' if tensor.HasField('reshape') else 'dims'}",
                    cause=f"tensor {tensor.name!r}: {problem[0]}",
                    fix=problem[1],
                )


def _dims_problem(found: OnnxTensor, dims: list[int], batch: int, *, exact: bool) -> tuple[str, str] | None:
    """Cause and fix where `dims` do not fit the model's tensor `found`."""
    shape = list(found.dims)
    if not shape:
        if any(dim != 1 for dim in dims):
            return f"a scalar of the model takes dims of ones, and it has {dims}", "set dims: [ 1 ]"
        return None
    if batch > 0 and shape[0] != -1:
        return (
            f"for the model to support batching its first dimension must be -1; but its shape is {shape}",
            "set max_batch_size: 0 and the full shape, or export the model with a free batch dimension",
        )
    full = [-1, *dims] if batch > 0 else dims
    if len(full) == len(shape) and all(
        there == here or (there == -1 and not exact) for here, there in zip(full, shape, strict=True)
    ):
        return None
    wanted = shape[1:] if batch > 0 else shape
    if batch > 0 and dims == shape:
        fix = f"leave the batch dimension out: dims: {wanted}" if wanted else "set reshape { shape: [ ] }"
    elif not wanted:
        fix = "set dims: [ 1 ] and reshape { shape: [ ] }"
    else:
        fix = f"set dims: {wanted}"
    return f"the model expects shape {shape} but the model configuration specifies {full}", fix


def onnx_optional(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Optional inputs are for models that do not batch, and not ragged."""
    for _, _, config in _versions(model, repository):
        for index, tensor in enumerate(config.input):
            if tensor.optional and config.max_batch_size != 0:
                yield Finding(
                    key=f"input[{index}].optional",
                    cause=f"optional input {tensor.name!r} is not supported for models that support batching",
                    fix="leave the input out, or set max_batch_size: 0",
                )
            elif tensor.optional and tensor.allow_ragged_batch:
                yield Finding(
                    key=f"input[{index}].allow_ragged_batch",
                    cause=f"a ragged batch is not supported for optional input {tensor.name!r}",
                    fix="leave one of the two out",
                )


def onnx_ragged(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A ragged input is a model input of shape [-1]."""
    for _, onnx, config in _versions(model, repository):
        for index, tensor in enumerate(config.input):
            found = _allowed(onnx, "input").get(tensor.name)
            if tensor.allow_ragged_batch and found is not None and found.dims != (-1,):
                yield Finding(
                    key=f"input[{index}].allow_ragged_batch",
                    cause=f"ragged input {tensor.name!r} must be [-1] in the model, and it is {list(found.dims)}",
                    fix="leave allow_ragged_batch out",
                )


def onnx_batch_inputs(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A batch input of another type than the model's loads and fails every request; a warm-up sample is one."""
    warms_up = any(sample.batch_size for sample in model.completed.model_warmup)
    for _, onnx, config in _versions(model, repository):
        inputs = {tensor.name: tensor for tensor in onnx.inputs}
        for index, entry in enumerate(config.batch_input):
            known = BY_TRITON.get(_type_word(entry))
            for name in entry.target_name:
                if name in inputs and known is not None and known.onnx_code != inputs[name].element_type:
                    yield Finding(
                        key=f"batch_input[{index}].data_type",
                        severity="error" if warms_up else None,
                        cause=f"unexpected input data type: {known.triton} for {name!r}, which the model has otherwise",
                        fix="set the model's type",
                    )


def onnx_sequence_controls(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A sequence control is an input of the model, of dims [1] and of the control's type."""
    for _, onnx, config in _versions(model, repository):
        inputs = {tensor.name: tensor for tensor in onnx.inputs}
        for kind in (*BOOLEAN_CONTROLS, CORRELATION_CONTROL):
            for key, name, control in controls_of_kind(config, kind)[:1]:
                problem = _control_problem(inputs.get(name), name, control, config.max_batch_size)
                if problem is not None:
                    yield Finding(key=key, cause=problem, fix="name an input that the model has for it")


def _control_problem(found: OnnxTensor | None, name: str, control: ModelConfig, batch: int) -> str | None:
    if found is None:
        return f"configuration specified sequence control {name!r}, but model does not provide that input"
    dims = list(found.dims[1:] if batch > 0 else found.dims)
    if dims != [1]:
        return f"sequence control {name!r} in model has dims {dims} but dims [1] is expected"
    known = BY_TRITON.get(_control_type(control))
    if known is not None and known.onnx_code != found.element_type:
        return f"sequence control {name!r} is configured as {known.triton}, which is not the model's type"
    return None


def _control_type(control: ModelConfig) -> str:
    by_field = {
        "int32_false_true": "TYPE_INT32",
        "fp32_false_true": "TYPE_FP32",
        "bool_false_true": "TYPE_BOOL",
    }
    return next((word for field, word in by_field.items() if getattr(control, field)), _type_word(control))


def _versions(model: ModelFacts, repository: Repository) -> Iterator[tuple[OnnxFile, OnnxModel, ModelConfig]]:
    """Each version's file, with the configuration as it will be when its instances are created."""
    for file in model.onnx:
        if file.model is None:
            continue
        config, error = model.config, None
        if repository.target.auto_complete:
            config, error = complete_onnx(model.config, file.model, repository.target.release)
        if error is None:
            yield file, file.model, config


def _tensors(config: ModelConfig) -> list[tuple[str, str, ModelConfig]]:
    return [
        (side, f"{side}[{index}]", tensor)
        for side in ("input", "output")
        for index, tensor in enumerate(getattr(config, side))
    ]


def _allowed(onnx: OnnxModel, side: str) -> dict[str, OnnxTensor]:
    tensors = (*onnx.inputs, *onnx.overridable) if side == "input" else onnx.outputs
    return {tensor.name: tensor for tensor in tensors}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _type_word(entry: ModelConfig) -> str:
    values = entry.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number
    return str(values[entry.data_type].name) if entry.data_type in values else str(entry.data_type)
