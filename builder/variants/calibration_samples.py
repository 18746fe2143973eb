"""Real samples: what the network's inputs look like in service. Read from the function that a variant's spec names."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tritonkit.spec.errors import InputError
from tritonkit.spec.model import ImagePreprocess
from tritonkit.spec.references import find_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from builder.stages import ConvertRequest
    from tritonkit.spec.variants import Calibration

Row = dict[str, np.ndarray]


def read_samples(request: ConvertRequest, calibration: Calibration, folder: Path) -> Iterator[Row]:
    """Yields `samples + held_out` rows, each with its batch dimension of one, in the order of the source.

    Pictures go through the transform that the weights were evaluated with, so the ranges are those of its numbers.

    Args:
        request: the network's inputs and its preprocessing.
        calibration: the source and how many.
        folder: where model.yaml lies.

    Raises:
        InputError: the source yields too few samples, or something else than the network takes.
    """
    wanted = calibration.samples + calibration.held_out
    make = _row_maker(request, folder)
    count = 0
    for sample in islice(find_function(calibration.source, folder, "calibration.source")(), wanted):
        row = make(sample)
        _check(row, request, calibration.source)
        count += 1
        yield row
    if count < wanted:
        raise InputError(
            "the calibration source ends too soon",
            where=calibration.source,
            got=f"{count} samples",
            expected=f"{wanted}: {calibration.samples} to calibrate and {calibration.held_out} held out",
        )


def stack(rows: list[Row]) -> dict[str, np.ndarray]:
    """Rows of one shape as one array by input name."""
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def _row_maker(request: ConvertRequest, folder: Path) -> Callable[[object], Row]:
    if not isinstance(request.preprocess, ImagePreprocess):
        return _tensors
    choices, name = request.preprocess, request.inputs[0].name
    from tritonkit.evaluation.kinds.image import reference_transform  # noqa: PLC0415 - torch only for pictures

    own = find_function(request.source.transform, folder, "source.transform") if request.source.transform else None

    def transform(sample: object) -> Row:
        if not isinstance(sample, Image.Image):
            raise InputError("a calibration sample is no PIL image", got=type(sample).__name__)
        tensor = own(sample) if own is not None else reference_transform(sample, choices)
        return {name: tensor.numpy().astype(np.float32, copy=False)[None]}

    return transform


def _tensors(sample: object) -> Row:
    if not isinstance(sample, dict):
        raise InputError("a calibration sample is no mapping of input name to array", got=type(sample).__name__)
    return {name: np.asarray(array)[None] for name, array in sample.items()}


def _check(row: Mapping[str, np.ndarray], request: ConvertRequest, source: str) -> None:
    for spec in request.inputs:
        shape = row[spec.name].shape[1:] if spec.name in row else None
        if (
            shape is None
            or len(shape) != len(spec.dims)
            or any(d not in (-1, s) for d, s in zip(spec.dims, shape, strict=True))
        ):
            raise InputError(
                f"a calibration sample does not fit the input {spec.name}",
                where=source,
                got="no such array" if shape is None else list(shape),
                expected=list(spec.dims),
            )
