"""Writes and reads golden bundles: questions, answers of the original weights, tolerances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from builder.tolerances import ARTEFACT, PREPROCESS, SCORE, SERVED
from tritonkit.evaluation.kinds.classification import reference_top_classes
from tritonkit.spec.errors import InputError
from tritonkit.spec.golden import Ask, Expect, GoldenBundle, Question

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from builder.pipeline import PartNames
    from builder.reference import Reference
    from tritonkit.spec.model import ModelSpec, Tolerance, Variant

FILE = "golden.json"
_ARRAYS = "arrays.npz"
_PICTURES = "pictures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A golden bundle in memory.

    Attributes:
        bundle: questions and tolerances.
        arrays: by the keys that the bundle names; first axes count samples.
        files: bytes by the names that the bundle names.
    """

    bundle: GoldenBundle
    arrays: Mapping[str, np.ndarray]
    files: Mapping[str, bytes]


def make_golden(
    spec: ModelSpec,
    variant: Variant,
    names: PartNames,
    reference: Reference,
    artefact_answers: Mapping[str, np.ndarray],
    labels: Sequence[str],
) -> Golden:
    """The bundle of one variant.

    Args:
        spec: the spec.
        variant: the variant.
        names: the parts' names in the repository.
        reference: samples and the original weights' answers.
        artefact_answers: what the variant's own file answers, in process, to the tensor samples.
        labels: class names.
    """
    arrays: dict[str, np.ndarray] = {}
    batches = batch_sizes(spec)
    questions = [
        _question("artefact", names.model, reference.rows, batches, reference.inputs, reference.outputs,
                  artefact_tolerance(spec, variant), arrays),
        _question("served", names.model, reference.rows, batches, reference.inputs, artefact_answers, SERVED, arrays),
    ]  # fmt: skip
    if reference.pictures:
        pictures = {"image": Ask(files=tuple(f"{_PICTURES}/{name}" for name in reference.pictures))}
        samples = tuple(reference.pictures)
        questions = [
            Question(
                level="preprocess",
                model=names.preprocess,
                samples=samples,
                batches=batches,
                inputs=pictures,
                outputs=_expect(
                    "preprocess", reference.picture_inputs, spec.gates.parity.preprocess or PREPROCESS, arrays
                ),
            ),
            *questions,
            Question(
                level="end_to_end",
                model=spec.name,
                samples=samples,
                batches=batches,
                inputs=pictures,
                outputs={
                    **_expect("end_to_end", reference.picture_outputs, artefact_tolerance(spec, variant), arrays),
                    **_top_classes(spec, variant, reference, labels, arrays),
                },
            ),
        ]
    return Golden(
        bundle=GoldenBundle(
            name=spec.name, variant=variant.name, target=spec.target.triton, questions=tuple(questions)
        ),
        arrays=arrays,
        files={f"{_PICTURES}/{name}": data for name, data in reference.pictures.items()},
    )


def batch_sizes(spec: ModelSpec) -> tuple[int, ...]:
    """The batch sizes that every question is asked in: one, two and the largest."""
    return tuple(sorted({1, min(2, spec.serving.max_batch_size), spec.serving.max_batch_size}))


def artefact_tolerance(spec: ModelSpec, variant: Variant) -> Tolerance:
    """The spec's own tolerance, or the kit's for the variant's precision."""
    return spec.gates.parity.artefact or ARTEFACT[variant.precision]


def _question(
    level: str,
    model: str,
    samples: tuple[str, ...],
    batches: tuple[int, ...],
    inputs: Mapping[str, np.ndarray],
    outputs: Mapping[str, np.ndarray],
    tolerance: Tolerance,
    arrays: dict[str, np.ndarray],
) -> Question:
    asks = {}
    for name, array in inputs.items():
        arrays[f"inputs/{name}"] = array
        asks[name] = Ask(array=f"inputs/{name}")
    return Question.model_validate(
        {
            "level": level,
            "model": model,
            "samples": samples,
            "batches": batches,
            "inputs": asks,
            "outputs": _expect(level, outputs, tolerance, arrays),
        }
    )


def _expect(
    level: str, outputs: Mapping[str, np.ndarray], tolerance: Tolerance, arrays: dict[str, np.ndarray]
) -> dict[str, Expect]:
    expected = {}
    for name, array in outputs.items():
        arrays[f"{level}/{name}"] = array
        expected[name] = Expect(array=f"{level}/{name}", tolerance=tolerance)
    return expected


def _top_classes(
    spec: ModelSpec, variant: Variant, reference: Reference, labels: Sequence[str], arrays: dict[str, np.ndarray]
) -> dict[str, Expect]:
    logits = reference.picture_outputs[spec.outputs[0].name]
    top = reference_top_classes(logits, labels, spec.postprocess.top_k)
    tolerance = SCORE[variant.precision]
    firm = tuple(map(tuple, firm_ranks(logits, top.class_id, artefact_tolerance(spec, variant)).tolist()))
    arrays["end_to_end/class_id"], arrays["end_to_end/score"] = top.class_id, top.score
    return {
        "class_id": Expect(array="end_to_end/class_id", firm=firm),
        "score": Expect(array="end_to_end/score", tolerance=tolerance),
        "label": Expect(strings=top.label, firm=firm),
    }


def firm_ranks(logits: np.ndarray, class_id: np.ndarray, tolerance: Tolerance) -> np.ndarray:
    """Which ranks cannot change places while every logit stays within `tolerance`; bool of shape (samples, k).

    A rank is firm when its logit differs from both neighbours' by more than both may move.
    """
    ordered = -np.sort(-logits, axis=1)[:, : class_id.shape[1] + 1]
    move = tolerance.absolute + tolerance.relative * np.abs(ordered)
    apart = (ordered[:, :-1] - ordered[:, 1:]) > move[:, :-1] + move[:, 1:]
    if apart.shape[1] < class_id.shape[1]:
        apart = np.concatenate([apart, np.ones((len(apart), 1), bool)], axis=1)
    above = np.concatenate([np.ones((len(apart), 1), bool), apart[:, :-1]], axis=1)
    firm: np.ndarray = above & apart
    return firm


def write_golden(folder: Path, golden: Golden) -> None:
    """Writes the bundle into `folder`, which it makes."""
    folder.mkdir()
    (folder / FILE).write_text(golden.bundle.model_dump_json(indent=1, exclude_defaults=True) + "\n")
    np.savez(folder / _ARRAYS, allow_pickle=False, **golden.arrays)
    if golden.files:
        (folder / _PICTURES).mkdir()
    for name, data in golden.files.items():
        (folder / name).write_bytes(data)


def read_golden(folder: Path) -> Golden:
    """Reads the bundle in `folder`.

    Raises:
        InputError: there is none, or it is not whole.
    """
    try:
        bundle = GoldenBundle.model_validate_json((folder / FILE).read_bytes())
        with np.load(folder / _ARRAYS, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored}
        names = {name for question in bundle.questions for ask in question.inputs.values() for name in ask.files}
        files = {name: (folder / name).read_bytes() for name in sorted(names)}
    except (OSError, ValidationError, ValueError) as error:
        raise InputError(
            "this is no golden bundle",
            where=folder,
            got=str(error).partition("\n")[0],
            hint="it is the folder `golden` in a version folder of the served model",
        ) from None
    return Golden(bundle=bundle, arrays=arrays, files=files)
