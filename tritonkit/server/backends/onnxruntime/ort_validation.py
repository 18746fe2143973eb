"""Holds a configuration against the model, as the C++ onnxruntime backend does when it makes an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ort_config import RefusedError
from ort_signature import BF16_SINCE, TRITON_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ort_signature import Signature, TensorInfo

BOOLEAN_CONTROLS = ("CONTROL_SEQUENCE_START", "CONTROL_SEQUENCE_END", "CONTROL_SEQUENCE_READY")
CORRELATION_CONTROL = "CONTROL_SEQUENCE_CORRID"
_FALSE_TRUE_TYPES = {
    "int32_false_true": "TYPE_INT32",
    "fp32_false_true": "TYPE_FP32",
    "bool_false_true": "TYPE_BOOL",
}


def validate(config: Mapping[str, Any], signature: Signature, target: tuple[int, int]) -> None:
    """Holds `config` against `signature`.

    Raises:
        RefusedError: with the rule that it breaks.
    """
    name = str(config.get("name", ""))
    expected = _expected_input_count(config) + _check_controls(config, signature, name)
    if expected != len(signature.inputs):
        raise RefusedError(
            f"unable to load model '{name}', configuration expects {expected} inputs, model provides "
            f"{len(signature.inputs)}: {_listed(signature.inputs)}"
        )
    for batch_input in config.get("batch_input", ()):
        if batch_input.get("data_type", "TYPE_INVALID") == "TYPE_INVALID":
            raise RefusedError("unexpected batch input data type 'TYPE_INVALID'")
    for entry in config.get("input", ()):
        _check_input(entry, config, signature, target)
    scattered = {target_name for output in config.get("batch_output", ()) for target_name in output["target_name"]}
    for entry in config.get("output", ()):
        _check_output(entry, config, signature, target, scattered=entry["name"] in scattered)


def _expected_input_count(config: Mapping[str, Any]) -> int:
    inputs = config.get("input", ())
    states = config.get("sequence_batching", {}).get("state", ())
    return sum(not entry.get("optional", False) for entry in inputs) + len(config.get("batch_input", ())) + len(states)


def _check_input(
    entry: Mapping[str, Any], config: Mapping[str, Any], signature: Signature, target: tuple[int, int]
) -> None:
    name, tensor = str(config.get("name", "")), str(entry["name"])
    max_batch_size = int(config.get("max_batch_size", 0))
    optional = bool(entry.get("optional", False))
    if optional and max_batch_size != 0:
        raise RefusedError(
            f"unable to load model '{name}', optional input '{tensor}' is not supported for models that support "
            "batching"
        )
    allowed = signature.inputs | signature.initializers
    if tensor not in allowed:
        raise RefusedError(f"unexpected inference input '{tensor}', allowed inputs are: {_listed(allowed)}")
    info = allowed[tensor]
    _check_type(entry, info, name, "input", target)
    if entry.get("allow_ragged_batch", False):
        if optional or info.dims != (-1,):
            raise RefusedError(
                f"unable to load model '{name}', ragged input '{tensor}' must have shape [-1] in the model and not be "
                f"optional; the model provides {_shape(info.dims)}"
            )
        return
    _check_dims(entry, info, name, max_batch_size, exact=False)


def _check_output(
    entry: Mapping[str, Any],
    config: Mapping[str, Any],
    signature: Signature,
    target: tuple[int, int],
    *,
    scattered: bool,
) -> None:
    name, tensor = str(config.get("name", "")), str(entry["name"])
    if tensor not in signature.outputs:
        raise RefusedError(f"unexpected inference output '{tensor}', allowed outputs are: {_listed(signature.outputs)}")
    info = signature.outputs[tensor]
    _check_type(entry, info, name, "output", target)
    if not scattered:
        _check_dims(entry, info, name, int(config.get("max_batch_size", 0)), exact=True)


def _check_type(entry: Mapping[str, Any], info: TensorInfo, model: str, side: str, target: tuple[int, int]) -> None:
    asked = str(entry.get("data_type", "TYPE_INVALID"))
    if asked not in TRITON_TYPES.values() or (asked == "TYPE_BF16" and target < BF16_SINCE):
        raise RefusedError(f"unsupported datatype {asked} for {side} '{info.name}' for model '{model}'")
    if asked != info.data_type:
        raise RefusedError(
            f"unable to load model '{model}', configuration expects datatype {asked} for {side} '{info.name}', "
            f"model provides {info.data_type}"
        )


def _check_dims(entry: Mapping[str, Any], info: TensorInfo, model: str, max_batch_size: int, *, exact: bool) -> None:
    given = entry["reshape"].get("shape", ()) if "reshape" in entry else entry.get("dims", ())
    dims = tuple(int(dim) for dim in given)
    if not info.dims:
        if any(dim != 1 for dim in dims):
            raise RefusedError(
                f"unable to load model '{model}', tensor '{info.name}' is a scalar: its dims must be [1], "
                f"the model configuration provides {_shape(dims)}"
            )
        return
    if max_batch_size > 0 and info.dims[0] != -1:
        raise RefusedError(
            f"model '{model}', tensor '{info.name}': for the model to support batching the shape should have at least "
            f"1 dimension and the first dimension must be -1; but shape expected by the model is {_shape(info.dims)}"
        )
    full = (-1, *dims) if max_batch_size > 0 else dims
    # An input may narrow a free dimension of the model; an output says exactly what the model says.
    fits = len(full) == len(info.dims) and all(
        asked == own or (own == -1 and not exact) for asked, own in zip(full, info.dims, strict=True)
    )
    if not fits:
        batch = " (with the batch dimension first, because max_batch_size > 0)" if max_batch_size > 0 else ""
        raise RefusedError(
            f"model '{model}', tensor '{info.name}': the model expects {len(info.dims)} dimensions "
            f"(shape {_shape(info.dims)}) but the model configuration specifies {len(full)} dimensions "
            f"(shape {_shape(full)}){batch}"
        )


def _check_controls(config: Mapping[str, Any], signature: Signature, model: str) -> int:
    """How many control tensors a sequence model has, each checked."""
    if "sequence_batching" not in config:
        return 0
    count = 0
    for kind in (*BOOLEAN_CONTROLS, CORRELATION_CONTROL):
        found = _control(config["sequence_batching"].get("control_input", ()), kind, model)
        if found is None:
            continue
        tensor, data_type = found
        if tensor not in signature.inputs:
            raise RefusedError(
                f"configuration specified sequence control '{tensor}', but model does not provide that input"
            )
        info = signature.inputs[tensor]
        dims = info.dims[1:] if int(config.get("max_batch_size", 0)) > 0 else info.dims
        if dims != (1,):
            raise RefusedError(
                f"unable to load model '{model}', sequence control '{tensor}' in model has dims {_shape(dims)} "
                "but dims [1] is expected"
            )
        if data_type != info.data_type:
            raise RefusedError(
                f"unable to load model '{model}', sequence control '{tensor}', the model expects data-type "
                f"{info.data_type} but the model configuration specifies data-type {data_type}"
            )
        count += 1
    return count


def _control(control_inputs: Sequence[Mapping[str, Any]], kind: str, model: str) -> tuple[str, str] | None:
    """Name and data type of the tensor that carries `kind`."""
    found: tuple[str, str] | None = None
    seen: set[str] = set()
    for control_input in control_inputs:
        tensor = str(control_input.get("name", ""))
        if not tensor:
            raise RefusedError(f"sequence batching control tensor must have a name for {model}")
        if tensor in seen:
            raise RefusedError(
                f"sequence batching control tensor '{tensor}' is specified for multiple control kinds for {model}"
            )
        seen.add(tensor)
        for control in control_input.get("control", ()):
            if control.get("kind", "CONTROL_SEQUENCE_START") != kind:
                continue
            if found is not None:
                raise RefusedError(f"sequence batching specifies multiple {kind} tensors for {model}")
            found = (tensor, _control_type(control, kind, model))
    return found


def _control_type(control: Mapping[str, Any], kind: str, model: str) -> str:
    given = [key for key in _FALSE_TRUE_TYPES if control.get(key)]
    if kind == CORRELATION_CONTROL:
        if given:
            raise RefusedError(f"sequence batching must not specify '{given[0]}' for {kind} for {model}")
        return str(control.get("data_type", "TYPE_INVALID"))
    if len(given) != 1:
        raise RefusedError(f"sequence batching must specify exactly one of {', '.join(_FALSE_TRUE_TYPES)} for {kind}")
    if len(control[given[0]]) != 2:
        raise RefusedError(f"sequence batching control '{given[0]}' must have exactly 2 entries for {kind} for {model}")
    return _FALSE_TRUE_TYPES[given[0]]


def _listed(infos: Mapping[str, TensorInfo]) -> str:
    return ", ".join(sorted(infos))


def _shape(dims: Sequence[int]) -> str:
    return f"[{','.join(map(str, dims))}]"
