"""Writes and reads golden bundles: questions, answers of the original weights, tolerances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from builder.arrays import as_bytes, load_arrays, save_arrays
from builder.kinds import LABELS, own_function
from builder.reference import Rows
from builder.tolerances import ARTEFACT, PREPROCESS, SCORE, SERVED
from tritonkit.evaluation.kinds.classification import reference_top_classes
from tritonkit.spec.dtypes import BY_TRITON
from tritonkit.spec.errors import InputError
from tritonkit.spec.golden import Ask, Expect, GoldenBundle, Level, Question, Way
from tritonkit.spec.model import ClassificationPostprocess, PythonPostprocess
from tritonkit.spec.references import find_function

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from builder.pipeline import PartNames
    from builder.reference import Reference
    from tritonkit.spec.model import ModelSpec, TensorSpec, Tolerance, Variant

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
    artefact_answers: Sequence[Mapping[str, np.ndarray]],
    inputs: Mapping[str, Path],
) -> Golden:
    """The bundle of one variant.

    Args:
        spec: the spec.
        variant: the variant.
        names: the parts' names in the repository.
        reference: samples and the original weights' answers.
        artefact_answers: for each group of `part_rows`, what the variant answers in process.
        inputs: the steps' files as `file/ROLE/NAME`; `folder`, where model.yaml lies.
    """
    arrays: dict[str, np.ndarray] = {}
    allowed = artefact_tolerance(spec, variant)
    questions = []
    for index, (rows, answers) in enumerate(zip(part_rows(spec, reference), artefact_answers, strict=True)):
        asks = _asks(f"tensors/{index}", rows.inputs, reference, arrays)
        levels: tuple[tuple[Level, Mapping[str, np.ndarray], Tolerance], ...] = (
            ("artefact", rows.outputs, allowed),
            ("served", answers, SERVED[variant.precision]),
        )
        for level, want, tolerance in levels:
            expect = _expect(f"{level}/{index}", want, tolerance, arrays)
            questions.append(_question(spec, level, names.model, rows.names, asks, expect))
    before, after = [], []
    for index, rows in enumerate(reference.requests or _tensors_as_requests(spec, reference)):
        asks = _asks(f"requests/{index}", rows.requests, reference, arrays, rows.names)
        if names.preprocess is not None:
            tolerance = spec.gates.parity.preprocess or PREPROCESS
            expect = _expect(f"preprocess/{index}", rows.inputs, tolerance, arrays)
            before.append(_question(spec, "preprocess", names.preprocess, rows.names, asks, expect))
        expect = _expect(f"end_to_end/{index}", rows.outputs, allowed, arrays) | _final_answers(
            spec, variant, rows, f"end_to_end/{index}", arrays, inputs
        )
        after.append(_question(spec, "end_to_end", spec.name, rows.names, asks, expect))
    bundle = GoldenBundle(
        name=spec.name, variant=variant.name, target=spec.target.triton, questions=(*before, *questions, *after)
    )
    files = {f"{_PICTURES}/{name}": data for name, data in reference.pictures.items()}
    return Golden(bundle=bundle, arrays=arrays, files=files)


def _tensors_as_requests(spec: ModelSpec, reference: Reference) -> tuple[Rows, ...]:
    """Where requests are the network's input, its tensor samples are requests too."""
    if spec.preprocess is not None:
        return ()
    return tuple(
        Rows(names=rows.names, requests=rows.inputs, inputs=rows.inputs, outputs=rows.outputs)
        for rows in reference.tensors
    )


def part_rows(spec: ModelSpec, reference: Reference) -> tuple[Rows, ...]:
    """What the network's own part can be asked: tensors; of a stateful network, whose states are no inputs when it is
    served, sequences; of a stream, requests.
    """
    return reference.tensors if _way(spec) == "request" else reference.requests


def _way(spec: ModelSpec) -> Way:
    if spec.serving.sequence_batching is not None:
        return "sequence"
    return "request" if spec.source.stream is None else "stream"


def batch_sizes(spec: ModelSpec) -> tuple[int, ...]:
    """The batch sizes that every question is asked in: one, two and the largest; 0 is without a batch dimension."""
    if spec.serving.max_batch_size == 0:
        return (0,)
    return tuple(sorted({1, min(2, spec.serving.max_batch_size), spec.serving.max_batch_size}))


def artefact_tolerance(spec: ModelSpec, variant: Variant) -> Tolerance:
    """The spec's own tolerance, or the kit's for the variant's precision."""
    return variant.tolerance or spec.gates.parity.artefact or ARTEFACT[variant.precision]


def _question(
    spec: ModelSpec,
    level: Level,
    model: str,
    samples: tuple[str, ...],
    asks: dict[str, Ask],
    expect: dict[str, Expect],
) -> Question:
    way = _way(spec)
    return Question(
        level=level,
        model=model,
        way=way,
        samples=samples,
        # Triton takes a sequence's steps one by one and puts those of several sequences together itself.
        batches=(1,) if way == "sequence" else batch_sizes(spec),
        inputs=asks,
        outputs=expect,
    )


def _asks(
    key: str,
    tensors: Mapping[str, np.ndarray],
    reference: Reference,
    arrays: dict[str, np.ndarray],
    samples: tuple[str, ...] = (),
) -> dict[str, Ask]:
    """The tensors of a question; pictures stay files that people can look at."""
    if samples and samples[0] in reference.pictures:
        return {name: Ask(files=tuple(f"{_PICTURES}/{sample}" for sample in samples)) for name in tensors}
    asks = {}
    for name, array in tensors.items():
        arrays[f"{key}/{name}"] = array
        asks[name] = Ask(array=f"{key}/{name}")
    return asks


def _expect(
    key: str, outputs: Mapping[str, np.ndarray], tolerance: Tolerance, arrays: dict[str, np.ndarray]
) -> dict[str, Expect]:
    expected = {}
    for name, array in outputs.items():
        arrays[f"{key}/{name}"] = array
        # Whole numbers and texts are equal or they are not.
        expected[name] = Expect(array=f"{key}/{name}", tolerance=tolerance if array.dtype.kind in "fc" else None)
    return expected


def _final_answers(
    spec: ModelSpec,
    variant: Variant,
    rows: Rows,
    key: str,
    arrays: dict[str, np.ndarray],
    inputs: Mapping[str, Path],
) -> dict[str, Expect]:
    """What postprocessing must make of the original weights' outputs."""
    if isinstance(spec.postprocess, ClassificationPostprocess):
        labels = inputs[f"file/postprocess/{LABELS}"].read_text(encoding="utf-8").splitlines()
        return _top_classes(spec.postprocess, spec, variant, rows, key, labels, arrays)
    if isinstance(spec.postprocess, PythonPostprocess):
        answers = _own_answers(spec, spec.postprocess, rows, inputs)
        expected = _expect(key, answers, artefact_tolerance(spec, variant), arrays)
        levels = spec.postprocess.pictures
        return {name: expect.model_copy(update={"levels": levels.get(name)}) for name, expect in expected.items()}
    return {}


def _own_answers(
    spec: ModelSpec, kind: PythonPostprocess, rows: Rows, inputs: Mapping[str, Path]
) -> dict[str, np.ndarray]:
    """By the evaluation's own postprocessing; without one, by the step's function, run here."""
    if spec.source.answer is not None:
        answer = find_function(spec.source.answer, inputs["folder"], "source.answer")
        made = answer(dict(rows.outputs))
    elif spec.serving.max_batch_size > 0:
        made = own_function(kind, "postprocess", inputs)([dict(rows.outputs)])[0]
    else:
        function = own_function(kind, "postprocess", inputs)
        each = [
            function([{name: array[index] for name, array in rows.outputs.items()}])[0]
            for index in range(len(rows.names))
        ]
        made = {name: np.stack([one[name] for one in each]) for name in each[0]}
    return {tensor.name: _typed(made[tensor.name], tensor) for tensor in kind.outputs}


def _typed(array: object, tensor: TensorSpec) -> np.ndarray:
    dtype = np.dtype(BY_TRITON[tensor.data_type].numpy)
    return as_bytes(np.asarray(array, dtype=object)) if dtype.hasobject else np.asarray(array).astype(dtype)


def _top_classes(
    kind: ClassificationPostprocess,
    spec: ModelSpec,
    variant: Variant,
    rows: Rows,
    key: str,
    labels: Sequence[str],
    arrays: dict[str, np.ndarray],
) -> dict[str, Expect]:
    logits = rows.outputs[spec.outputs[0].name]
    top = reference_top_classes(logits, labels, kind.top_k)
    tolerance = SCORE[variant.precision]
    firm = tuple(map(tuple, firm_ranks(logits, top.class_id, artefact_tolerance(spec, variant)).tolist()))
    arrays[f"{key}/class_id"], arrays[f"{key}/score"] = top.class_id, top.score
    return {
        "class_id": Expect(array=f"{key}/class_id", firm=firm),
        "score": Expect(array=f"{key}/score", tolerance=tolerance),
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
    save_arrays(folder / _ARRAYS, golden.arrays)
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
        arrays = load_arrays(folder / _ARRAYS)
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
