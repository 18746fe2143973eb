"""A caller's values -> a checked request. No I/O; every refusal says what the model wants."""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .codec import datatype_of, encode, numpy_dtype
from .errors import InvalidRequestError
from .messages import NO_PARAMETERS, InferRequest, Parameter, RequestedOutput, Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from .metadata import ModelDescription, TensorMetadata

_RESERVED = frozenset(
    {"sequence_id", "sequence_start", "sequence_end", "priority", "timeout", "headers", "binary_data_output"}
)


# Elements up to which a loop in Python is faster than a reduction by numpy.
_FEW = 64


def prepare(
    model: str,
    inputs: Mapping[str, Any],
    *,
    description: ModelDescription | None,
    version: str = "",
    request_id: str = "",
    outputs: Sequence[str] | None = None,
    classes: Mapping[str, int] | None = None,
    parameters: Mapping[str, Parameter] | None = None,
    priority: int = 0,
    allow_nan: bool = False,
) -> InferRequest:
    """Checks and encodes one inference.

    Args:
        model: the model's name.
        inputs: a value for each input. Numbers: a numpy array, or an object that numpy takes for one without
            copying its elements one by one, of exactly the model's type and with the batch dimension
            where the model batches. BYTES: `bytes` or `str` for an input of a single element (the batch dimension, if
            any, is 1), nested sequences of them, or a numpy array of objects or strings.
        description: the model's signature; None sends the values as they are, for servers which keep their
            metadata to themselves.
        version: the model's version; "" is the server's choice.
        request_id: comes back in the answer.
        outputs: the names of the outputs to send back; None is all of them.
        classes: for each output named here, its n highest values instead of the tensor.
        parameters: custom request parameters.
        priority: 1 is the highest; 0 is the model's default.
        allow_nan: whether a float input may hold NaN.

    Raises:
        InvalidRequestError: the request would be refused, or its answer would have no meaning.
    """
    return InferRequest(
        model,
        _inputs(model, inputs, description, allow_nan=allow_nan),
        version,
        request_id,
        _outputs(model, outputs, classes or {}, description) if outputs is not None or classes else (),
        _parameters(model, parameters, priority) if parameters or priority else NO_PARAMETERS,
    )


def _inputs(
    model: str, values: Mapping[str, Any], description: ModelDescription | None, *, allow_nan: bool
) -> tuple[Tensor, ...]:
    if description is None:
        return tuple(_tensor(model, name, value, None, None, allow_nan=allow_nan) for name, value in values.items())
    wanted = description.inputs
    for name in values:
        if name not in wanted:
            raise _unknown(model, "input", name, list(wanted))
    if len(values) != len(wanted):
        missing = [name for name, tensor in wanted.items() if name not in values and not tensor.optional]
        if missing:
            raise InvalidRequestError(
                f"input {missing[0]!r} is missing",
                where=model,
                got=_names(values),
                expected=_listing(wanted.values()),
                model=model,
            )
    batch = description.max_batch_size
    tensors = tuple(
        [_tensor(model, name, value, wanted[name], batch, allow_nan=allow_nan) for name, value in values.items()]
    )
    if len(tensors) > 1 and batch and len({tensor.shape[0] for tensor in tensors}) > 1:
        raise InvalidRequestError(
            "the inputs differ in their batch dimension",
            where=model,
            got=", ".join(f"{tensor.name} {list(tensor.shape)}" for tensor in tensors),
            model=model,
        )
    return tensors


def _tensor(
    model: str,
    name: str,
    value: Any,
    wanted: TensorMetadata | None,
    max_batch_size: int | None,
    *,
    allow_nan: bool,
) -> Tensor:
    array = value if isinstance(value, np.ndarray) else _as_array(model, name, value, wanted, max_batch_size)
    datatype = datatype_of(array.dtype)
    if wanted is not None:
        if datatype != wanted.datatype:
            raise _wrong_type(model, array, datatype, wanted, max_batch_size)
        _check_shape(model, array.shape, wanted, max_batch_size)
    if datatype is None:
        raise InvalidRequestError(
            "numpy's type has no counterpart in Triton", where=f"{model}: {name}", got=array.dtype, model=model
        )
    if array.dtype.kind == "f" and not allow_nan and _has_nan(array):
        raise InvalidRequestError(
            "the input holds NaN",
            where=f"{model}: {name}",
            hint="pass allow_nan=True to the client if the model knows what to do with it",
            model=model,
        )
    try:
        content = encode(array, datatype)
    except TypeError as error:
        raise InvalidRequestError(str(error), where=f"{model}: {name}", model=model) from None
    return Tensor(name, datatype, array.shape, content)


def _has_nan(array: NDArray[Any]) -> bool:
    if array.size <= _FEW:
        # Python's sum is ten times faster here than numpy's machinery; infinities of both signs also sum to NaN.
        total = sum(array.reshape(-1).tolist())
        if total == total:  # noqa: PLR0124 - false of NaN alone
            return False
    if array.dtype.itemsize == 2:
        # numpy looks at half floats one by one; their bits as integers are ten times faster.
        return bool(((array.view(np.uint16) & 0x7FFF) > 0x7C00).any())
    # The greatest of numbers with a NaN among them is NaN: one pass, and no temporary array.
    greatest = np.maximum.reduce(array, axis=None, initial=-np.inf)
    return bool(greatest != greatest)  # noqa: PLR0124 - NaN alone differs from itself


def _as_array(
    model: str, name: str, value: Any, wanted: TensorMetadata | None, max_batch_size: int | None
) -> NDArray[Any]:
    """The array of a value that is none yet."""
    if isinstance(value, bytes | str):
        return np.array(value, dtype=np.object_).reshape((1,) * _rank_of_one(wanted, max_batch_size))
    if isinstance(value, list | tuple):
        return _string_array(model, name, value, wanted)
    if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        return np.asarray(value)
    raise InvalidRequestError(
        "the value is no array",
        where=f"{model}: {name}",
        got=type(value).__name__,
        expected="a numpy array, or bytes, str and sequences of them for BYTES",
        model=model,
    )


def _rank_of_one(wanted: TensorMetadata | None, max_batch_size: int | None) -> int:
    """The number of dimensions of a single string: as many as the input has, if each may be 1."""
    if wanted is None or wanted.datatype != "BYTES" or any(size not in (1, -1) for size in wanted.shape):
        return 1
    # The batch dimension and one of elements at most: a single string for a [-1, -1] tensor would be a guess.
    return len(wanted.shape) if len(wanted.shape) <= (2 if max_batch_size != 0 else 1) else 1


def _string_array(model: str, name: str, value: Sequence[Any], wanted: TensorMetadata | None) -> NDArray[Any]:
    where = f"{model}: {name}"
    try:
        array = np.array(value, dtype=np.object_)
    except ValueError:
        array = None
    if array is None or any(isinstance(element, list | tuple) for element in array.flat):
        raise InvalidRequestError("the nested sequences differ in length", where=where, model=model)
    if all(isinstance(element, bytes | str) for element in array.reshape(-1)) and (array.size or wanted is None):
        return array
    numeric = wanted is not None and wanted.datatype != "BYTES"
    raise InvalidRequestError(
        "a sequence of numbers has no type of its own" if numeric else "the sequence holds more than bytes and str",
        where=where,
        got=f"{type(value).__name__} of {type(array.reshape(-1)[0]).__name__}" if array.size else "an empty sequence",
        hint=f"use numpy.array(value, dtype={_dtype_hint(wanted)})",
        model=model,
    )


def _dtype_hint(wanted: TensorMetadata | None) -> str:
    if wanted is None:
        return "..."
    dtype = numpy_dtype(wanted.datatype)
    return "ml_dtypes.bfloat16" if wanted.datatype == "BF16" else f"numpy.{dtype.name}"


def _check_shape(model: str, shape: tuple[int, ...], wanted: TensorMetadata, max_batch_size: int | None) -> None:
    sizes = wanted.shape
    if len(shape) == len(sizes) and (not max_batch_size or 1 <= shape[0] <= max_batch_size):
        for size, want in zip(shape, sizes):  # noqa: B905 - they are equally long
            if want not in (size, -1):
                break
        else:
            return
    hint = None
    if max_batch_size and len(shape) == len(sizes) - 1:
        hint = f"the model batches: give the batch dimension, for one sample {[1, *shape]}"
    elif max_batch_size and shape and len(shape) == len(sizes) and shape[0] > max_batch_size:
        hint = f"send at most {max_batch_size} samples at a time; infer_many() sends many requests"
    raise InvalidRequestError(
        f"the shape of input {wanted.name!r} does not fit",
        where=model,
        got=list(shape),
        expected=_signature(wanted, max_batch_size),
        hint=hint,
        model=model,
    )


def _wrong_type(
    model: str, array: NDArray[Any], datatype: str | None, wanted: TensorMetadata, max_batch_size: int | None
) -> InvalidRequestError:
    if wanted.datatype == "BYTES":
        hint = "BYTES takes bytes, str, sequences of them, or a numpy array of objects"
    elif array.dtype.kind in "OSU":
        hint = f"decode it first: the model wants a numpy array of {_dtype_hint(wanted)}"
    else:
        hint = f"convert it with array.astype({_dtype_hint(wanted)})"
    return InvalidRequestError(
        f"the type of input {wanted.name!r} is wrong",
        where=model,
        got=f"{datatype or array.dtype} {list(array.shape)}",
        expected=_signature(wanted, max_batch_size),
        hint=hint,
        model=model,
    )


def _outputs(
    model: str, names: Sequence[str] | None, classes: Mapping[str, int], description: ModelDescription | None
) -> tuple[RequestedOutput, ...]:
    if isinstance(names, str):
        raise InvalidRequestError(
            "outputs is a sequence of names", where=model, got=repr(names), expected=f"[{names!r}]", model=model
        )
    # To ask for the categories of one output is to ask for that output alone.
    wanted = [*(names or ()), *(name for name in classes if name not in (names or ()))]
    if description is not None:
        for name in wanted:
            if name not in description.outputs:
                raise _unknown(model, "output", name, list(description.outputs))
    if len(set(wanted)) != len(wanted):
        raise InvalidRequestError("an output is asked for twice", where=model, got=_names(wanted), model=model)
    for name, count in classes.items():
        if count < 1:
            raise InvalidRequestError(
                f"classes of output {name!r}", where=model, got=count, expected="a number of at least 1", model=model
            )
    return tuple(RequestedOutput(name=name, classes=classes.get(name, 0)) for name in wanted)


def _parameters(model: str, parameters: Mapping[str, Parameter] | None, priority: int) -> Mapping[str, Parameter]:
    checked: dict[str, Parameter] = {}
    for name, value in (parameters or {}).items():
        if name in _RESERVED or name.startswith("triton_"):
            raise InvalidRequestError(
                f"parameter {name!r} is Triton's own",
                where=model,
                hint="priority, timeout and sequences have arguments of their own",
                model=model,
            )
        if not isinstance(value, str | bool | int | float) or (isinstance(value, float) and not math.isfinite(value)):
            raise InvalidRequestError(
                f"the value of parameter {name!r}",
                where=model,
                got=repr(value),
                expected="str, bool, int or a finite float",
                model=model,
            )
        checked[name] = value
    if priority < 0:
        raise InvalidRequestError("priority", where=model, got=priority, expected="0 or more", model=model)
    if priority:
        checked["priority"] = priority
    return checked


def _unknown(model: str, kind: str, name: str, known: list[str]) -> InvalidRequestError:
    by_lower = {other.lower(): other for other in known}
    near = [by_lower[found] for found in difflib.get_close_matches(name.lower(), by_lower, n=1)]
    return InvalidRequestError(
        f"the model has no {kind} {name!r}",
        where=model,
        expected=_names(known),
        hint=f"did you mean {near[0]!r}?" if near else None,
        model=model,
    )


def _names(names: Any) -> str:
    return ", ".join(map(str, names)) or "none"


def _listing(tensors: Any) -> str:
    return ", ".join(f"{tensor.name} {tensor.datatype} {list(tensor.shape)}" for tensor in tensors)


def _signature(wanted: TensorMetadata, max_batch_size: int | None) -> str:
    sizes: list[object] = ["any" if size == -1 else size for size in wanted.shape]
    if max_batch_size:
        sizes[0] = f"batch 1..{max_batch_size}"
    return f"{wanted.datatype} [{', '.join(map(str, sizes))}]"
