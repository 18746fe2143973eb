"""`reference.npz` and `pictures/`: what parity asks and what the original weights answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from builder.arrays import load_arrays, save_arrays

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Samples whose tensors have one shape, and the original weights' answers; first axes count samples.

    Attributes:
        names: name of each sample.
        requests: what a client sends, by input of the request; empty where the network alone is asked.
        inputs: the network's inputs by name; of requests, under the transform that the weights were evaluated with.
        outputs: the answers by output name.
    """

    names: tuple[str, ...]
    requests: Mapping[str, np.ndarray] = field(default_factory=dict)
    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Everything that parity asks.

    Attributes:
        tensors: what the network alone is asked.
        pixels: the same of nothing but pictures: every value is that of a pixel, normalised.
        requests: what the whole pipeline is asked.
        pictures: bytes of the pictures among the requests, by file name.
    """

    tensors: tuple[Rows, ...]
    requests: tuple[Rows, ...]
    pixels: tuple[Rows, ...] = ()
    pictures: Mapping[str, bytes] = field(default_factory=dict)


_GROUPS = ("tensors", "pixels", "requests")
_FIELDS = ("requests", "inputs", "outputs")


def write_reference(folder: Path, reference: Reference) -> None:
    """Writes `reference` into `folder`."""
    arrays = {
        f"{group}/{index}/{part}/{name}": array
        for group in _GROUPS
        for index, rows in enumerate(getattr(reference, group))
        for part in _FIELDS
        for name, array in getattr(rows, part).items()
    }
    save_arrays(folder / "reference.npz", arrays)
    names: dict[str, object] = {group: [rows.names for rows in getattr(reference, group)] for group in _GROUPS}
    names["pictures"] = list(reference.pictures)
    (folder / "samples.json").write_text(json.dumps(names, indent=2) + "\n")
    (folder / "pictures").mkdir()
    for name, data in reference.pictures.items():
        (folder / "pictures" / name).write_bytes(data)


def read_reference(folder: Path) -> Reference:
    """Reads what `write_reference` wrote."""
    names = json.loads((folder / "samples.json").read_text())
    arrays = load_arrays(folder / "reference.npz")

    def rows(group: str, index: int) -> Rows:
        start = f"{group}/{index}/"
        own = {key.removeprefix(start): array for key, array in arrays.items() if key.startswith(start)}
        parts = {
            part: {key.removeprefix(f"{part}/"): array for key, array in own.items() if key.startswith(f"{part}/")}
            for part in _FIELDS
        }
        return Rows(names=tuple(names[group][index]), **parts)

    return Reference(
        tensors=tuple(rows("tensors", index) for index in range(len(names["tensors"]))),
        pixels=tuple(rows("pixels", index) for index in range(len(names["pixels"]))),
        requests=tuple(rows("requests", index) for index in range(len(names["requests"]))),
        pictures={name: (folder / "pictures" / name).read_bytes() for name in names["pictures"]},
    )
