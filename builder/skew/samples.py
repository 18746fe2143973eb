"""The real pictures of the skew check, as a client would send them. Read from the function that the gate names."""

from __future__ import annotations

import io
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from tritonkit.evaluation.datasets.dataset import DataSet
from tritonkit.spec.errors import InputError
from tritonkit.spec.references import find_function

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tritonkit.spec.gates import SkewGate

_SEED = 0


def fetch_pictures(gate: SkewGate, folder: Path) -> None:
    """Lets the source download what it needs: a stage has no network."""
    found = _call(gate, folder)
    if not isinstance(found, DataSet):
        next(iter(found), None)


def read_pictures(gate: SkewGate, folder: Path) -> tuple[str, Iterator[tuple[str, bytes]]]:
    """Where the samples are from, and their names and bytes, `gate.samples` of them.

    Args:
        gate: the source and how many.
        folder: where model.yaml lies.

    Raises:
        InputError: the source returns something else, too few samples, or one that is no picture; those that are
            yielded are looked at as they come.
    """
    found = _call(gate, folder)
    if isinstance(found, DataSet):
        pictures = found.test.samples
        count = min(gate.samples, len(pictures))
        chosen = np.sort(np.random.default_rng(_SEED).choice(len(pictures), count, replace=False))
        told = f"{found.name}, {count:,} drawn from the test split"
        return told, _encoded(((f"test sample {index}", pictures[index]) for index in chosen), gate)
    return gate.source, _encoded(islice(found, gate.samples), gate)


def _call(gate: SkewGate, folder: Path) -> Any:
    found = find_function(gate.source, folder, "gates.skew.source")()
    if isinstance(found, DataSet) or hasattr(found, "__iter__"):
        return found
    raise InputError(
        "gates.skew.source returns no pictures",
        where=gate.source,
        got=type(found).__name__,
        expected="a DataSet, or pairs of a name and a picture",
    )


def _encoded(pairs: Iterable[Any], gate: SkewGate) -> Iterator[tuple[str, bytes]]:
    count = 0
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise InputError(
                "gates.skew.source yields no pair of a name and a picture", where=gate.source, got=type(pair).__name__
            )
        yield str(pair[0]), encoded_picture(pair[1], f"{gate.source}: {pair[0]}")
        count += 1
    if count < gate.samples:
        raise InputError(
            "gates.skew.source ends too soon",
            where=gate.source,
            got=f"{count} pictures",
            expected=f"{gate.samples}, as gates.skew.samples says",
        )


def encoded_picture(picture: object, where: str) -> bytes:
    """The bytes of a file as they are; uint8 of shape (H, W) or (H, W, 3) as PNG, which loses nothing.

    Raises:
        InputError: it is neither.
    """
    from PIL import Image  # noqa: PLC0415 - whoever only plans a build decodes nothing

    if isinstance(picture, bytes):
        return picture
    array = np.asarray(picture)
    if array.dtype != np.uint8 or array.shape[2:] not in ((), (3,)) or array.ndim < 2:
        raise InputError(
            "a sample is no picture",
            where=where,
            got=f"{type(picture).__name__} of {array.dtype}, shape {list(array.shape)}",
            expected="bytes of a PNG or JPEG file, or uint8 of shape (H, W) or (H, W, 3)",
        )
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()
