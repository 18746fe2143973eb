"""The first stage: original weights -> `model.onnx` and what those weights answer, recorded once.

Every later comparison reads the recorded answers; torch is not imported again.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import onnx

from builder.arrays import as_bytes
from builder.kinds import request_inputs
from builder.reference import Reference, Rows, write_reference
from builder.samples import Questions, make_pictures, make_pixels, make_tensors, read_requests
from builder.sequences import read_sequences, run_by_steps
from builder.sources.network import Network, open_network
from builder.stages import EXPORT_ERROR, CaptureRequest, CaptureResult
from builder.streams import capture_streams
from builder.transforms import transform_requests
from tritonkit.spec.dtypes import BY_NUMPY, BY_TRITON
from tritonkit.spec.errors import InputError
from tritonkit.spec.model import ImagePreprocess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tritonkit.spec.model import SequenceBatching, TensorSpec

_ROWS_AT_ONCE = 8
# Protocol buffers end at 2 GiB; well before that the weights go into a file beside the graph.
_EXTERNAL_FROM = 1_500_000_000


def capture(request: CaptureRequest, inputs: dict[str, Path], out: Path) -> CaptureResult:
    """Writes `model.onnx`, `reference.npz` and `pictures/` into `out`.

    Args:
        request: what to capture.
        inputs: `folder`, where model.yaml lies; `weights`; each real picture as `picture/NAME`; `requests`, where the
            spec names some; the files of the steps as `file/ROLE/NAME`.
        out: where to write.

    Raises:
        InputError: the weights, the factory, the transform or the spec's shapes are wrong, or the network does not
            export and no variant could serve it without; says where.
    """
    if request.source.stream is not None:
        return capture_streams(request, request.source.stream, inputs, out)
    network = open_network(request, inputs["weights"], inputs["folder"])
    tensors = tuple(
        _answered(network, request, questions) for questions in make_tensors(request.inputs, request.samples)
    )
    requests, pictures = _requests(network, request, inputs)
    pixels = _pixels(network, request)
    write_reference(out, Reference(tensors=tensors, pixels=pixels, requests=requests, pictures=pictures))
    model = _export(network, request, out)
    return CaptureResult(
        parameters=network.parameters,
        opset=model.opset_import[0].version if model else None,
        ir_version=model.ir_version if model else None,
        rows=sum(len(rows.names) for rows in tensors),
        requests=sum(len(rows.names) for rows in requests),
    )


def _requests(
    network: Network, request: CaptureRequest, inputs: Mapping[str, Path]
) -> tuple[tuple[Rows, ...], dict[str, bytes]]:
    """What the whole pipeline is asked, with the original weights' answers, and the pictures among it."""
    if request.sequence_batching is not None:
        return _sequences(network, request, request.sequence_batching, inputs["requests"]), {}
    if request.preprocess is None:
        if "requests" not in inputs:
            return (), {}
        samples = read_requests(inputs["requests"], request.inputs)
        named = {f"request {index}": (sample, sample) for index, sample in enumerate(samples)}
        return _grouped(named, partial(_answered, network, request)), {}
    if request.preprocess.kind == "image":
        real = {name.removeprefix("picture/"): path for name, path in inputs.items() if name.startswith("picture/")}
        pictures = make_pictures(real)
        asked = {name: {"image": np.array([data], dtype=object)} for name, data in pictures.items()}
    else:
        pictures = {}
        samples = read_requests(inputs["requests"], request_inputs(request.preprocess))
        asked = {f"request {index}": sample for index, sample in enumerate(samples)}
    transformed = transform_requests(asked, request, inputs)
    named = {name: (asked[name], tensors) for name, tensors in transformed.items()}
    return _grouped(named, partial(_answered, network, request)), {
        name: pictures[name] for name in transformed if name in pictures
    }


def _sequences(network: Network, request: CaptureRequest, batching: SequenceBatching, file: Path) -> tuple[Rows, ...]:
    """Whole sequences, and what the weights answer at each step of them."""
    outputs = [tensor for tensor in request.outputs if tensor.name not in batching.output_names()]
    taken = tuple(tensor for tensor in request.inputs if tensor.name not in batching.input_names())

    def answered(questions: Questions) -> Rows:
        whole = network.whole or (lambda asked: run_by_steps(network.ask, asked, batching, request.inputs, outputs))
        answers = whole(questions.inputs)
        steps = next(iter(questions.inputs.values())).shape[:2]
        for spec in outputs:
            if spec.name not in answers or answers[spec.name].shape[:2] != steps:
                raise InputError(
                    f"source.sequence: {spec.name} is not answered at each step",
                    where=network.where,
                    got=list(answers[spec.name].shape) if spec.name in answers else ", ".join(answers),
                    expected=[*steps, *spec.dims],
                )
        each_step = {spec.name: answers[spec.name].reshape(-1, *answers[spec.name].shape[2:]) for spec in outputs}
        _check_outputs(each_step, outputs, network)
        kept = {spec.name: answers[spec.name] for spec in outputs}
        return Rows(names=questions.names, inputs=questions.inputs, outputs=kept)

    sequences = {f"sequence {index}": one for index, one in enumerate(read_sequences(file, taken))}
    return _grouped({name: (one, one) for name, one in sequences.items()}, answered)


def _pixels(network: Network, request: CaptureRequest) -> tuple[Rows, ...]:
    """Pictures of random pixels, for the variants that are asked nothing that no picture is."""
    if not request.pixels or not isinstance(request.preprocess, ImagePreprocess):
        return ()
    return (_answered(network, request, make_pixels(request.inputs[0], request.preprocess, request.samples)),)


def _grouped(
    samples: Mapping[str, tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]],
    answered: Callable[[Questions], Rows],
) -> tuple[Rows, ...]:
    """Samples of one shape together: what is asked, what the transform makes of it, what the weights answer."""
    groups: dict[object, list[str]] = {}
    for name, (asked, tensors) in samples.items():
        shapes = tuple((key, part[key].shape) for part in (asked, tensors) for key in sorted(part))
        groups.setdefault(shapes, []).append(name)
    rows = []
    for names in groups.values():
        asked = {key: np.stack([samples[name][0][key] for name in names]) for key in samples[names[0]][0]}
        tensors = {key: np.stack([samples[name][1][key] for name in names]) for key in samples[names[0]][1]}
        outputs = answered(Questions(names=tuple(names), inputs=tensors)).outputs
        rows.append(Rows(names=tuple(names), requests=asked, inputs=tensors, outputs=outputs))
    return tuple(rows)


def _answered(network: Network, request: CaptureRequest, questions: Questions) -> Rows:
    count = len(questions.names)
    step = _ROWS_AT_ONCE if request.batched else 1
    parts = []
    for start in range(0, count, step):
        rows = {name: array[start : start + step] for name, array in questions.inputs.items()}
        if request.batched:
            parts.append(network.ask(rows))
        else:
            answer = network.ask({name: array[0] for name, array in rows.items()})
            parts.append({name: array[None] for name, array in answer.items()})
    for part in parts:
        _check_outputs(part, request.outputs, network)
    outputs = {spec.name: as_bytes(np.concatenate([part[spec.name] for part in parts])) for spec in request.outputs}
    return Rows(names=questions.names, inputs=questions.inputs, outputs=outputs)


def _check_outputs(answers: Mapping[str, np.ndarray], outputs: Sequence[TensorSpec], network: Network) -> None:
    for spec in outputs:
        shape, dtype = answers[spec.name].shape[1:], answers[spec.name].dtype
        fits = len(shape) == len(spec.dims) and all(
            dim in (-1, size) for dim, size in zip(spec.dims, shape, strict=True)
        )
        if not fits or dtype != np.dtype(BY_TRITON[spec.data_type].numpy):
            real = BY_NUMPY[str(dtype)].triton if str(dtype) in BY_NUMPY else str(dtype)
            raise InputError(
                f"outputs.{spec.name}: the network's answer is another one",
                where=network.where,
                got=f"{spec.data_type} {list(spec.dims)} in the spec",
                expected=f"{real} {list(shape)}",
            )


def _export(network: Network, request: CaptureRequest, out: Path) -> onnx.ModelProto | None:
    if not request.exports:
        return None
    try:
        model = network.export()
    except InputError as error:
        if not request.served_in_torch:
            raise
        (out / EXPORT_ERROR).write_text(json.dumps(error.as_dict()))
        return None
    save_onnx(model, out / "model.onnx")
    return model


def save_onnx(model: onnx.ModelProto, file: Path) -> None:
    """Writes `model`, with its weights in `model.onnx.data` beside it where one file could not hold them."""
    if model.ByteSize() < _EXTERNAL_FROM:
        onnx.save(model, file)
        return
    onnx.save_model(model, file, save_as_external_data=True, all_tensors_to_one_file=True, location=f"{file.name}.data")
