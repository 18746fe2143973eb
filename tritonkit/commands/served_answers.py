"""A live server's answers to the samples of a data set: what `evaluate` asks by."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clients.codec import numpy_dtype
from tritonkit.evaluation.evaluate import Answers
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clients import Answer, Client, ModelMetadata, TensorMetadata
    from tritonkit.evaluation.datasets.dataset import DataSet

LABEL = "label"
"""The output in which `postprocess: {kind: classification}` names classes, likeliest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """How a data set's samples become requests, and a model's outputs its answers.

    Attributes:
        model: the served name.
        encode: samples of one request -> the value of its input.
        input: that input's name.
        numbers: the output with a number for each class, or with the regression's numbers.
        labelled: whether the model names the likeliest class itself.
        batch: samples in a request.
    """

    model: str
    encode: Callable[[np.ndarray], Any]
    input: str
    numbers: str
    labelled: bool
    batch: int


def questions_for(client: Client, model: str, data: DataSet, *, output: str | None, batch: int) -> Questions:
    """How `model` is asked for the samples of `data`.

    Args:
        client: a client of the server.
        model: the served name.
        data: what it is asked.
        output: the output to read numbers from, where several could be meant.
        batch: samples in a request; fewer where the model takes no more.

    Raises:
        InputError: the model does not take such samples, or gives no such answers.
        ClientError: the server does not answer.
    """
    metadata = client.metadata(model)
    most = int(client.config(model).get("max_batch_size", 0))
    if most < 1:
        raise InputError("the model takes no batches", where=model, expected="max_batch_size of 1 or more")
    if len(metadata.inputs) != 1:
        raise InputError(
            "a sample is one value, and the model takes several inputs",
            where=model,
            got=", ".join(tensor.name for tensor in metadata.inputs),
            expected="one input",
        )
    (taken,) = metadata.inputs
    return Questions(
        model=model,
        encode=_encoder(taken, data, model),
        input=taken.name,
        numbers=_numbers_output(metadata, data, output).name,
        labelled=bool(data.classes) and any(tensor.name == LABEL for tensor in metadata.outputs),
        batch=min(batch, most),
    )


def ask(
    client: Client, questions: Questions, data: DataSet, *, concurrency: int, progress: Callable[[int], None]
) -> Callable[[np.ndarray], Answers]:
    """The function that predicts samples through the server; `progress` is told how many are done."""
    outputs = (questions.numbers, *((LABEL,) if questions.labelled else ()))

    def predict(samples: np.ndarray) -> Answers:
        requests = _requests(samples, questions)
        numbers, chosen, done = [], [], 0
        for answer in client.infer_many(questions.model, requests, concurrency=concurrency, outputs=outputs):
            numbers.append(answer[questions.numbers])
            if questions.labelled:
                chosen.append(_class_numbers(answer, data))
            done += len(numbers[-1])
            progress(done)
        return Answers(numbers=np.concatenate(numbers), chosen=np.concatenate(chosen) if chosen else None)

    return predict


def as_png(sample: np.ndarray) -> bytes:
    """A picture, uint8 of shape (H, W) or (H, W, 3), as a PNG file."""
    from PIL import Image  # noqa: PLC0415 - numbers need none

    buffer = io.BytesIO()
    Image.fromarray(sample).save(buffer, "PNG")
    return buffer.getvalue()


def _requests(samples: np.ndarray, questions: Questions) -> Iterator[dict[str, Any]]:
    for start in range(0, len(samples), questions.batch):
        yield {questions.input: questions.encode(samples[start : start + questions.batch])}


def _encoder(taken: TensorMetadata, data: DataSet, model: str) -> Callable[[np.ndarray], Any]:
    samples = data.test.samples
    if samples.dtype == np.uint8 and taken.datatype == "BYTES":
        return lambda pictures: [[as_png(picture)] for picture in pictures]
    if samples.dtype != np.uint8 and taken.datatype != "BYTES" and _fits(taken.shape[1:], samples.shape[1:]):
        dtype = numpy_dtype(taken.datatype)
        return lambda numbers: numbers.astype(dtype)
    raise InputError(
        "the model does not take the data set's samples",
        where=model,
        got=f"{data.name}: {'pictures' if samples.dtype == np.uint8 else 'numbers'} of shape {samples.shape[1:]}",
        expected=f"{taken.name}: {taken.datatype} of shape {tuple(taken.shape[1:])}",
    )


def _numbers_output(metadata: ModelMetadata, data: DataSet, output: str | None) -> TensorMetadata:
    wanted = (len(data.classes),) if data.classes else data.test.targets.shape[1:]
    found = [
        tensor
        for tensor in metadata.outputs
        if tensor.datatype.startswith("FP") and _fits(tensor.shape[1:], wanted) and output in {None, tensor.name}
    ]
    if len(found) != 1:
        raise InputError(
            f"{'no output' if not found else 'more than one output'} has the data set's shape",
            where=metadata.name,
            got=", ".join(f"{tensor.name} {list(tensor.shape)}" for tensor in found or metadata.outputs),
            expected=f"one of floating-point numbers of shape {list(wanted)}",
            hint="choose with --output" if found else None,
        )
    return found[0]


def _fits(dims: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return len(dims) == len(shape) and all(dim in {-1, size} for dim, size in zip(dims, shape, strict=True))


def _class_numbers(answer: Answer, data: DataSet) -> np.ndarray:
    """The number of the class that each answer names first."""
    numbers = {name: number for number, name in enumerate(data.classes)}
    named = [label.decode() for label in answer[LABEL][:, 0].tolist()]
    unknown = next((name for name in named if name not in numbers), None)
    if unknown is not None:
        raise InputError(
            "the model names a class that the data set does not have",
            where=f"{answer.model}: {LABEL}",
            got=repr(unknown),
            expected=", ".join(data.classes[:12]) + (", ..." if len(data.classes) > 12 else ""),
        )
    return np.array([numbers[name] for name in named], np.int64)
