"""The variant's own files, in process: the first level of the proof, and the reference of the served one."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from builder.arrays import as_bytes, as_text, load_arrays, save_arrays
from builder.golden import artefact_tolerance, batch_sizes
from builder.parity import Asked, compare
from builder.placement import placed_reference
from builder.reference import read_reference
from builder.sequences import run_by_steps
from builder.streams import ask_step
from tritonkit.server.backends.onnxruntime.ort_processors import usable_processors
from tritonkit.spec.errors import InputError
from tritonkit.spec.parity import Comparison, ParityReport

if TYPE_CHECKING:
    from pathlib import Path

    from builder.reference import Rows
    from builder.stages import SpecRequest
    from tritonkit.spec.model import TensorSpec, Variant

Ask = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]


def prove_artefact(request: SpecRequest, inputs: dict[str, Path], out: Path) -> ParityReport:
    """Holds the variant's files against the original weights' recorded answers.

    Writes `answers.npz` into `out`: what they answer, row by row, for the served gate. The report says whether
    it passed; the caller decides what to do about it.

    Args:
        request: the spec and the variant.
        inputs: `model`, the folder with the variant's files; `captured`, the capture's outputs.
        out: where to write.
    """
    spec, model = request.spec, inputs["model"]
    reference = placed_reference(read_reference(inputs["captured"]), spec, request.variant)
    comparisons: list[Comparison] = []
    kept: list[dict[str, np.ndarray]] = []
    if spec.source.stream is not None:
        answered_by = f"Python {platform.python_version()}"
        for rows in reference.requests:
            kept.append(ask_step(spec.source.stream, model, rows, spec.outputs))
            comparisons += _compare(request, rows, kept[-1], 0)
    else:
        ask, answered_by = asker(spec.outputs, request.variant, model)
        for rows in reference.tensors:
            by_batch = {batch: _ask(ask, rows.inputs, batch) for batch in batch_sizes(spec)}
            kept.append(by_batch[min(by_batch)])
            for batch, answers in by_batch.items():
                comparisons += _compare(request, rows, answers, batch)
        if spec.serving.sequence_batching is not None:
            walk = partial(run_by_steps, ask, batching=spec.serving.sequence_batching, inputs=spec.inputs)
            kept = [walk(rows.inputs, outputs=spec.served_outputs()) for rows in reference.requests]
            for rows, answers in zip(reference.requests, kept, strict=True):
                comparisons += _compare(request, rows, answers, 1)
    save_arrays(
        out / "answers.npz",
        {f"{index}/{name}": array for index, answers in enumerate(kept) for name, array in answers.items()},
    )
    return ParityReport(
        name=request.spec.name,
        variant=request.variant.name,
        passed=all(comparison.passed for comparison in comparisons),
        asked="in process",
        server=answered_by,
        comparisons=tuple(comparisons),
    )


def _compare(request: SpecRequest, rows: Rows, answers: Mapping[str, np.ndarray], batch: int) -> Iterator[Comparison]:
    for name, want in rows.outputs.items():
        asked = Asked(
            level="artefact",
            model=f"{request.spec.name}_{request.variant.name}",
            output=name,
            protocol="in process",
            batch=batch,
            samples=rows.names,
        )
        yield compare(asked, answers[name], want, artefact_tolerance(request.spec, request.variant))


def read_answers(file: Path, groups: Sequence[Rows]) -> tuple[dict[str, np.ndarray], ...]:
    """What `prove_artefact` wrote: for each group of samples, answers by output name."""
    arrays = load_arrays(file)
    return tuple({name: arrays[f"{index}/{name}"] for name in rows.outputs} for index, rows in enumerate(groups))


def asker(outputs: Sequence[TensorSpec], variant: Variant, model: Path) -> tuple[Ask, str]:
    """What asks the variant's files in the folder `model` in process, and what answers there, in words.

    Raises:
        InputError: the library does not load them.
    """
    names = [tensor.name for tensor in outputs]
    if variant.backend == "python":
        import torch  # noqa: PLC0415 - only where the variant is served in torch

        from builder.steps import torch_network  # noqa: PLC0415 - as above

        network, parameters = torch_network.load(model)
        return lambda feed: torch_network.answer(network, dict(feed), parameters), f"torch {torch.__version__}"
    session = _session(model / "model.onnx")

    def ask(feed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        texts = {name: as_text(array) for name, array in feed.items()}
        return {n: as_bytes(array) for n, array in zip(names, session.run(names, texts), strict=True)}

    return ask, f"onnxruntime {onnxruntime.__version__}"


def _session(model: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # ONNX Runtime counts the node's processors, of which a container may have few.
    options.intra_op_num_threads = usable_processors()
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InputError("ONNX Runtime does not load the model", where=model, got=error) from error


def _ask(ask: Ask, inputs: Mapping[str, np.ndarray], batch: int) -> dict[str, np.ndarray]:
    """The answers to all rows, asked `batch` at a time; 0 is without a batch dimension."""
    count = len(next(iter(inputs.values())))
    parts: list[dict[str, np.ndarray]] = []
    for start in range(0, count, max(1, batch)):
        if batch == 0:
            answer = ask({name: array[start] for name, array in inputs.items()})
            parts.append({name: array[None] for name, array in answer.items()})
        else:
            # The last batch is filled up from the front, so that every batch really has its size.
            index = np.arange(start, start + batch) % count
            answer = ask({name: array[index] for name, array in inputs.items()})
            parts.append({name: array[: count - start] for name, array in answer.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
