"""A generator of the user's own, run where the build runs: what its streams must be when they are served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from builder.arrays import as_bytes
from builder.kinds import own_function, stream_step, write_step
from builder.reference import Reference, Rows, write_reference
from builder.samples import read_requests
from builder.stages import CaptureResult
from tritonkit.spec.dtypes import BY_TRITON
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from builder.stages import CaptureRequest, ConvertRequest
    from tritonkit.spec.model import PythonStream, TensorSpec

    Stream = Callable[[dict[str, np.ndarray]], Iterable[Mapping[str, Any]]]

Arrays = dict[str, np.ndarray]


def capture_streams(
    request: CaptureRequest, stream: PythonStream, inputs: Mapping[str, Path], out: Path
) -> CaptureResult:
    """Records every answer to every request of `samples.requests`; there are no weights and nothing is exported.

    Args:
        request: what to capture.
        stream: its source.
        inputs: `requests`, and the stream's files as `file/model/NAME`.
        out: where to write.

    Raises:
        InputError: the function fails, or its answers are not the spec's outputs.
    """
    function = own_function(stream, "model", inputs)
    samples = read_requests(inputs["requests"], request.inputs)
    groups: dict[object, list[tuple[str, Arrays, Arrays]]] = {}
    for index, sample in enumerate(samples):
        name = f"request {index}"
        answers = answer_stream(function, sample, request.outputs, where=f"{inputs['requests']}: {name}")
        shapes = tuple(part[key].shape for part in (sample, answers) for key in sorted(part))
        groups.setdefault(shapes, []).append((name, sample, answers))
    requests = tuple(
        Rows(
            names=tuple(name for name, _, _ in group),
            requests=(asked := _stacked([sample for _, sample, _ in group])),
            inputs=asked,
            outputs=_stacked([answers for _, _, answers in group]),
        )
        for group in groups.values()
    )
    write_reference(out, Reference(tensors=(), requests=requests))
    return CaptureResult(parameters=0, opset=None, ir_version=None, rows=0, requests=len(samples))


def convert(request: ConvertRequest, stream: PythonStream, inputs: Mapping[str, Path], out: Path) -> None:
    """Writes the step that runs the user's function, and his files, into `out`, a version folder."""
    write_step(stream_step(stream, request.inputs, request.outputs), "model", inputs, out)


def ask_step(stream: PythonStream, version: Path, rows: Rows, outputs: tuple[TensorSpec, ...]) -> Arrays:
    """What the step in the version folder `version` answers to `rows`: shape (samples, answers, ...) by output."""
    step = stream_step(stream, (), outputs)
    function = own_function(stream, "model", {f"file/model/{name}": version / name for name in step.files})
    return _stacked(
        [
            answer_stream(function, {key: array[index] for key, array in rows.requests.items()}, outputs, where=name)
            for index, name in enumerate(rows.names)
        ]
    )


def answer_stream(
    function: Stream, request: Mapping[str, np.ndarray], outputs: Sequence[TensorSpec], *, where: str
) -> Arrays:
    """All answers to one request, by output; the first axis counts answers.

    Raises:
        InputError: the function raises, answers nothing, or its answers are not the spec's outputs.
    """
    answers: dict[str, list[np.ndarray]] = {tensor.name: [] for tensor in outputs}
    try:
        for made in function(dict(request)):
            for tensor in outputs:
                answers[tensor.name].append(_typed(made[tensor.name], tensor))
    except Exception as error:
        raise InputError(
            "source.stream: the function fails on a request of samples.requests",
            where=where,
            got=f"{type(error).__name__}: {error}",
        ) from error
    for tensor in outputs:
        _check_answers(answers[tensor.name], tensor, where)
    return {name: np.stack(made) for name, made in answers.items()}


def _typed(value: Any, tensor: TensorSpec) -> np.ndarray:
    # A copy: a generator may yield one array again and again with other numbers in it.
    return as_bytes(np.array(value, BY_TRITON[tensor.data_type].numpy))


def _check_answers(answers: Sequence[np.ndarray], tensor: TensorSpec, where: str) -> None:
    if not answers:
        raise InputError(
            "source.stream: the function answers a request of samples.requests with nothing",
            where=where,
            hint="such a request proves nothing; leave it out",
        )
    shapes = {array.shape for array in answers}
    dims = min(shapes)
    fits = len(dims) == len(tensor.dims) and all(dim in (-1, size) for dim, size in zip(tensor.dims, dims, strict=True))
    if len(shapes) > 1 or not fits:
        raise InputError(
            f"source.stream: the answers of a stream are not all of the shape that outputs.{tensor.name} has",
            where=where,
            got=", ".join(str(list(shape)) for shape in sorted(shapes)),
            expected=f"{list(tensor.dims)}, the same in each answer",
        )


def _stacked(samples: Sequence[Mapping[str, np.ndarray]]) -> Arrays:
    return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}
