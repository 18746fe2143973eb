"""The variant's own file, in process: the first level of the proof, and the reference of the served one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from builder.golden import artefact_tolerance, batch_sizes
from builder.parity import Asked, compare
from builder.reference import read_reference
from tritonkit.spec.errors import InputError
from tritonkit.spec.parity import ParityReport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from builder.stages import SpecRequest


def prove_artefact(request: SpecRequest, inputs: dict[str, Path], out: Path) -> ParityReport:
    """Holds the variant's `model.onnx` against the original weights' recorded answers.

    Writes `answers.npz` into `out`: what the file answers, row by row, for the served gate. The report says whether
    it passed; the caller decides what to do about it.

    Args:
        request: the spec and the variant.
        inputs: `model`, the folder with model.onnx; `captured`, the capture's outputs.
        out: where to write.
    """
    reference = read_reference(inputs["captured"])
    session = _session(inputs["model"] / "model.onnx")
    tolerance = artefact_tolerance(request.spec, request.variant)
    comparisons = []
    for batch in batch_sizes(request.spec):
        answers = _ask(session, reference.inputs, batch)
        if batch == 1:
            np.savez(out / "answers.npz", allow_pickle=False, **answers)
        for name, want in reference.outputs.items():
            asked = Asked(
                level="artefact",
                model=f"{request.spec.name}_{request.variant.name}",
                output=name,
                protocol="in process",
                batch=batch,
                samples=reference.rows,
            )
            comparisons.append(compare(asked, answers[name], want, tolerance))
    return ParityReport(
        name=request.spec.name,
        variant=request.variant.name,
        passed=all(comparison.passed for comparison in comparisons),
        asked="in process",
        server=f"onnxruntime {onnxruntime.__version__}",
        comparisons=tuple(comparisons),
    )


def _session(model: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InputError("ONNX Runtime does not load the model", where=model, got=error) from error


def _ask(session: onnxruntime.InferenceSession, inputs: Mapping[str, np.ndarray], batch: int) -> dict[str, np.ndarray]:
    names = [output.name for output in session.get_outputs()]
    rows = len(next(iter(inputs.values())))
    parts: list[Sequence[np.ndarray]] = []
    for start in range(0, rows, batch):
        # The last batch is filled up from the front, so that every batch really has its size.
        index = np.arange(start, start + batch) % rows
        feed = {name: array[index] for name, array in inputs.items()}
        parts.append([output[: rows - start] for output in session.run(names, feed)])
    return {name: np.concatenate([part[i] for part in parts]) for i, name in enumerate(names)}
