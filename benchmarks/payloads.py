"""Requests, encoded once before the test, so that the generator only sends bytes.

Encoded by the Open Inference Protocol v2 with Triton's binary tensor extension: raw bytes in the gRPC message's
`raw_input_contents`, and after the JSON header in an HTTP body.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tritonkit.spec.dtypes import BY_KSERVE
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.served_model import ServedModel
    from clients import TensorMetadata

    Array = np.ndarray[Any, np.dtype[Any]]

GENERATED = 8
"""How many different requests of random numbers are made; with one alone a response cache would answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedRequest:
    """One request, ready for either protocol.

    Attributes:
        model: the served name.
        number: which of the models of a mix that is.
        grpc: the serialised `ModelInferRequest`.
        http: the body of `POST /v2/models/NAME/infer`.
        http_header_length: bytes of the body that are JSON.
    """

    model: str
    number: int = 0
    grpc: bytes
    http: bytes
    http_header_length: int

    def in_sequence(self, correlation: int, *, start: bool, end: bool) -> EncodedRequest:
        """The same request as a step of a sequence (Triton's sequence extension).

        Args:
            correlation: number of the sequence, not 0.
            start: whether it is the first step.
            end: whether it is the last.
        """
        from tritonclient.grpc.service_pb2 import ModelInferRequest  # noqa: PLC0415 - importing this must stay light

        more = ModelInferRequest()
        more.parameters["sequence_id"].int64_param = correlation
        more.parameters["sequence_start"].bool_param = start
        more.parameters["sequence_end"].bool_param = end
        # The header's parameters stand last: its end is that of two objects.
        step = json.dumps({"sequence_id": correlation, "sequence_start": start, "sequence_end": end})
        head = self.http[: self.http_header_length - 2] + f", {step[1:]}}}".encode()
        return EncodedRequest(
            model=self.model,
            number=self.number,
            # Two messages of protobuf, one after the other, are read as one with the fields of both.
            grpc=self.grpc + more.SerializeToString(),
            http=head + self.http[self.http_header_length :],
            http_header_length=len(head),
        )


def make_requests(
    model: ServedModel,
    *,
    files: Sequence[Path] = (),
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    batch: int = 1,
    seed: int = 0,
    number: int = 0,
) -> tuple[EncodedRequest, ...]:
    """Requests for `model`, from the user's files or of random numbers.

    Args:
        model: names, types and shapes of the inputs.
        files: contents to send, in turn; see `LoadPlan.files`.
        shapes: dimensions, without the batch's, of inputs that leave theirs open.
        batch: items in a request; with a model that does not batch, 1.
        seed: of the random numbers.
        number: the model's number in a mix.

    Raises:
        InputError: a file cannot be read or does not fit, a shape is missing, or the model does not batch.
    """
    if batch > 1 and not model.batches:
        raise InputError("the model does not batch", where=model.name, got=f"batch {batch}", expected="batch 1")
    if files:
        items = [_item_from_file(model, file) for file in files]
    else:
        rng = np.random.default_rng(seed)
        items = [_random_item(model, shapes or {}, rng) for _ in range(GENERATED)]
    if model.batches:
        items = [_stacked([items[(first + i) % len(items)] for i in range(batch)]) for first in range(len(items))]
    bfloat16 = frozenset(tensor.name for tensor in model.inputs if tensor.datatype == "BF16")
    return tuple(encode(model.name, item, bfloat16=bfloat16, number=number) for item in items)


def _random_item(
    model: ServedModel, shapes: Mapping[str, tuple[int, ...]], rng: np.random.Generator
) -> dict[str, Array]:
    return {tensor.name: _random_tensor(model, tensor, shapes, rng) for tensor in model.inputs}


def _random_tensor(
    model: ServedModel, tensor: TensorMetadata, shapes: Mapping[str, tuple[int, ...]], rng: np.random.Generator
) -> Array:
    own = tensor.shape[1:] if model.batches else tensor.shape
    shape = shapes.get(tensor.name, own)
    where = f"{model.name}, input {tensor.name}"
    if len(shape) != len(own) or any(o not in (-1, s) for o, s in zip(own, shape, strict=False)):
        raise InputError("the shape does not fit the model", where=where, got=list(shape), expected=list(own))
    if -1 in shape:
        raise InputError(
            "the model leaves this input's shape open",
            where=where,
            got=list(shape),
            hint=f"give its dimensions without the batch's: --shape {tensor.name}:{','.join('8' for _ in own)}",
        )
    numpy_name = BY_KSERVE[tensor.datatype].numpy
    if tensor.datatype == "BYTES":
        raise InputError(
            "strings cannot be made up", where=where, hint="name files to send, for example photographs: --file PATH..."
        )
    if numpy_name is None:  # BF16 is the upper half of FP32
        return (rng.random(shape, dtype=np.float32).view(np.uint32) >> 16).astype(np.uint16)
    if numpy_name.startswith("float"):
        return rng.random(shape, dtype=np.float32).astype(numpy_name)
    # 0 and 1 are valid in every whole type and, as token numbers or masks, in every model.
    return rng.integers(0, 2, shape).astype(numpy_name)


def _item_from_file(model: ServedModel, file: Path) -> dict[str, Array]:
    """One item of a batch, from one file."""
    try:
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
        elif file.suffix == ".npy":
            arrays = {model.inputs[0].name: np.load(file, allow_pickle=False)}
        else:
            arrays = {model.inputs[0].name: _one_string(model, file.read_bytes())}
    except (OSError, ValueError) as error:
        raise InputError("this file cannot be sent", where=file, got=error, expected="a readable file") from None
    for tensor in model.inputs:
        _check_fit(model, tensor, arrays.get(tensor.name), file)
    return {tensor.name: arrays[tensor.name] for tensor in model.inputs}


def _one_string(model: ServedModel, content: bytes) -> Array:
    rank = len(model.inputs[0].shape) - model.batches
    return np.array([content], dtype=object).reshape((1,) * rank)


def _check_fit(model: ServedModel, tensor: TensorMetadata, array: Array | None, file: Path) -> None:
    where = f"{file}, input {tensor.name}"
    if array is None:
        names = ", ".join(t.name for t in model.inputs)
        raise InputError(
            f"the file says nothing for an input of {model.name}", where=where, expected=f"an .npz of {names}"
        )
    expected = BY_KSERVE[tensor.datatype].numpy or "uint16"  # BF16 travels as its 16 bits
    if array.dtype.name != expected:
        raise InputError("the file's type does not fit", where=where, got=array.dtype.name, expected=expected)
    own = tensor.shape[1:] if model.batches else tensor.shape
    if len(array.shape) != len(own) or any(o not in (-1, s) for o, s in zip(own, array.shape, strict=True)):
        raise InputError(
            "the file's shape does not fit",
            where=where,
            got=list(array.shape),
            expected=f"{list(own)}, one item without the batch dimension",
        )


def _stacked(items: list[dict[str, Array]]) -> dict[str, Array]:
    """Items as one batch: a batch dimension in front of every tensor."""
    for name in items[0]:
        shapes = {item[name].shape for item in items}
        if len(shapes) > 1:
            raise InputError("items of different shapes cannot be one batch", where=f"input {name}", got=sorted(shapes))
    return {name: np.stack([item[name] for item in items]) for name in items[0]}


def encode(
    model: str, tensors: Mapping[str, Array], *, bfloat16: frozenset[str] = frozenset(), number: int = 0
) -> EncodedRequest:
    """One request with `tensors` as its inputs, batch dimension included; all outputs are asked for, in binary.

    Args:
        model: the served name.
        tensors: input arrays by name; arrays of objects hold bytes.
        bfloat16: names of the 16-bit arrays that hold BF16 numbers.
        number: the model's number in a mix.
    """
    from tritonclient.grpc.service_pb2 import ModelInferRequest  # noqa: PLC0415 - importing benchmarks must stay light

    message = ModelInferRequest(model_name=model)
    described = []
    raw = []
    for name, array in tensors.items():
        datatype = "BF16" if name in bfloat16 else _kserve_name(array)
        content = _length_prefixed(array) if datatype == "BYTES" else np.ascontiguousarray(array).tobytes()
        message.inputs.add(name=name, datatype=datatype, shape=array.shape)
        message.raw_input_contents.append(content)
        described.append(
            {
                "name": name,
                "datatype": datatype,
                "shape": list(array.shape),
                "parameters": {"binary_data_size": len(content)},
            }
        )
        raw.append(content)
    header = json.dumps({"inputs": described, "parameters": {"binary_data_output": True}}).encode()
    return EncodedRequest(
        model=model,
        number=number,
        grpc=message.SerializeToString(),
        http=b"".join((header, *raw)),
        http_header_length=len(header),
    )


def _kserve_name(array: Array) -> str:
    if array.dtype == object:
        return "BYTES"
    return next(t.kserve for t in BY_KSERVE.values() if t.numpy == array.dtype.name)


def _length_prefixed(array: Array) -> bytes:
    """BYTES on the wire: each element's length as four little-endian bytes, then the element."""
    return b"".join(len(item).to_bytes(4, "little") + item for item in array.ravel())


def save_requests(requests: Sequence[EncodedRequest], folder: Path) -> None:
    """Writes the requests where the generator's processes read them."""
    folder.mkdir()
    for i, request in enumerate(requests):
        (folder / f"{i:06}.grpc").write_bytes(request.grpc)
        (folder / f"{i:06}.http").write_bytes(request.http)
    facts = [[request.model, request.number, request.http_header_length] for request in requests]
    (folder / "requests.json").write_text(json.dumps(facts))


def load_requests(folder: Path) -> tuple[EncodedRequest, ...]:
    """The requests that `save_requests` wrote."""
    return tuple(
        EncodedRequest(
            model=model,
            number=number,
            grpc=(folder / f"{i:06}.grpc").read_bytes(),
            http=(folder / f"{i:06}.http").read_bytes(),
            http_header_length=length,
        )
        for i, (model, number, length) in enumerate(json.loads((folder / "requests.json").read_text()))
    )
