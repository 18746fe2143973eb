"""`reference.npz` and `pictures/`: what parity asks and what the original weights answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Samples and the original weights' answers; first axes count samples.

    Attributes:
        rows: names of the tensor samples.
        inputs: tensor samples by input name.
        outputs: their answers by output name.
        pictures: bytes of each picture by file name.
        picture_inputs: the pictures under the transform that the weights were evaluated with, by input name.
        picture_outputs: the answers to them, by output name.
    """

    rows: tuple[str, ...]
    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]
    pictures: Mapping[str, bytes]
    picture_inputs: Mapping[str, np.ndarray]
    picture_outputs: Mapping[str, np.ndarray]


_GROUPS = ("inputs", "outputs", "picture_inputs", "picture_outputs")


def write_reference(folder: Path, reference: Reference) -> None:
    """Writes `reference` into `folder`."""
    arrays = {f"{group}/{name}": array for group in _GROUPS for name, array in getattr(reference, group).items()}
    np.savez(folder / "reference.npz", allow_pickle=False, **arrays)
    names = {"rows": reference.rows, "pictures": list(reference.pictures)}
    (folder / "samples.json").write_text(json.dumps(names, indent=2) + "\n")
    (folder / "pictures").mkdir()
    for name, data in reference.pictures.items():
        (folder / "pictures" / name).write_bytes(data)


def read_reference(folder: Path) -> Reference:
    """Reads what `write_reference` wrote."""
    names = json.loads((folder / "samples.json").read_text())
    with np.load(folder / "reference.npz", allow_pickle=False) as arrays:
        groups = {
            group: {key.removeprefix(f"{group}/"): arrays[key] for key in arrays if key.startswith(f"{group}/")}
            for group in _GROUPS
        }
    pictures = {name: (folder / "pictures" / name).read_bytes() for name in names["pictures"]}
    return Reference(rows=tuple(names["rows"]), pictures=pictures, **groups)
