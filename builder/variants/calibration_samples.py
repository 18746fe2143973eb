"""Real samples: what the network's inputs look like in service. Read from the function that a variant's spec names.

Three parts that share no sample: scales come from the first, layers are found sensitive on the second, and agreement
is judged on the third, which nothing was chosen by.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tritonkit.spec.errors import InputError
from tritonkit.spec.model import ImagePreprocess
from tritonkit.spec.references import find_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from builder.stages import AccuracyRequest, ConvertRequest
    from tritonkit.spec.variants import Calibration

Row = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """The rows of a calibration source.

    Attributes:
        calibration: what ranges are measured on.
        held_out: what layers are ordered by and kept in float for.
        judged: what agreement is judged on.
    """

    calibration: tuple[Row, ...]
    held_out: tuple[Row, ...]
    judged: tuple[Row, ...]


def read_splits(request: ConvertRequest, calibration: Calibration, folder: Path) -> Splits:
    """The three parts of the source, in its order.

    Raises:
        InputError: the source yields too few samples, something else than the network takes, or one sample into two
            of the parts.
    """
    rows = tuple(read_samples(request, calibration, folder))
    first, second = calibration.samples, calibration.samples + calibration.held_out
    splits = Splits(calibration=rows[:first], held_out=rows[first:second], judged=rows[second:])
    parts = [{row_digest(row) for row in part} for part in (splits.calibration, splits.held_out, splits.judged)]
    shared = sum(map(len, parts)) - len(set().union(*parts))
    if shared:
        raise InputError(
            "the calibration source yields the same sample into two parts that must share none",
            where=calibration.source,
            got=f"{shared} of {len(rows)}",
            expected=f"{len(rows)} different samples: {_told(calibration)}",
        )
    return splits


def read_samples(request: ConvertRequest | AccuracyRequest, calibration: Calibration, folder: Path) -> Iterator[Row]:
    """Yields every row of the three parts, each with its batch dimension of one, in the order of the source.

    Pictures go through the transform that the weights were evaluated with, so the ranges are those of its numbers.

    Args:
        request: the network's inputs and its preprocessing.
        calibration: the source and how many.
        folder: where model.yaml lies.

    Raises:
        InputError: the source yields too few samples, or something else than the network takes.
    """
    wanted = calibration.samples + calibration.held_out + calibration.judged
    make = row_maker(request, folder)
    count = 0
    for sample in islice(find_function(calibration.source, folder, "calibration.source")(), wanted):
        yield make(sample)
        count += 1
    if count < wanted:
        raise InputError(
            "the calibration source ends too soon",
            where=calibration.source,
            got=f"{count} samples",
            expected=f"{wanted}: {_told(calibration)}",
        )


def _told(calibration: Calibration) -> str:
    return (
        f"{calibration.samples} to calibrate, {calibration.held_out} to choose layers by, {calibration.judged} to judge"
    )


def row_digest(row: Row) -> bytes:
    """What two rows share that are one sample."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(row):
        digest.update(f"{name}{row[name].shape}".encode())
        digest.update(row[name].tobytes())
    return digest.digest()


def stack(rows: Sequence[Row]) -> dict[str, np.ndarray]:
    """Rows of one shape as one array by input name."""
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def row_maker(request: ConvertRequest | AccuracyRequest, folder: Path) -> Callable[[object], Row]:
    """What turns a sample of a source into a row: a picture by the evaluation's transform, arrays as they are.

    What it returns raises an InputError for what is neither, or does not fit the network.
    """
    if not isinstance(request.preprocess, ImagePreprocess):
        return lambda sample: _checked(_tensors(sample), request)
    choices, name = request.preprocess, request.inputs[0].name
    from tritonkit.evaluation.kinds.image import reference_transform  # noqa: PLC0415 - torch only for pictures

    own = find_function(request.source.transform, folder, "source.transform") if request.source.transform else None

    def transform(sample: object) -> Row:
        if not isinstance(sample, Image.Image):
            raise InputError("a sample is no PIL image", got=type(sample).__name__)
        tensor = own(sample) if own is not None else reference_transform(sample, choices)
        return _checked({name: tensor.numpy().astype(np.float32, copy=False)[None]}, request)

    return transform


def _tensors(sample: object) -> Row:
    if not isinstance(sample, dict):
        raise InputError("a sample is no mapping of input name to array", got=type(sample).__name__)
    return {name: np.asarray(array)[None] for name, array in sample.items()}


def _checked(row: Row, request: ConvertRequest | AccuracyRequest) -> Row:
    for spec in request.inputs:
        shape = row[spec.name].shape[1:] if spec.name in row else None
        if (
            shape is None
            or len(shape) != len(spec.dims)
            or any(d not in (-1, s) for d, s in zip(spec.dims, shape, strict=True))
        ):
            raise InputError(
                f"a sample does not fit the input {spec.name}",
                got="no such array" if shape is None else list(shape),
                expected=list(spec.dims),
            )
    return row
