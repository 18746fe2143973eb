"""Arrays by name in one `.npz`, texts and bytes among them, and nothing that would have to be unpickled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

# An array of bytes objects is kept as all their bytes in a row, and as the length of each.
_DATA, _LENGTHS = "@bytes", "@lengths"


def save_arrays(file: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes `arrays` into `file`; elements of object arrays are bytes."""
    plain: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if array.dtype == object:
            elements = [bytes(element) for element in array.ravel()]
            plain[name + _DATA] = np.frombuffer(b"".join(elements), np.uint8)
            plain[name + _LENGTHS] = np.array([len(e) for e in elements], np.int64).reshape(array.shape)
        else:
            plain[name] = array
    np.savez(file, allow_pickle=False, **plain)


def load_arrays(file: Path) -> dict[str, np.ndarray]:
    """Reads what `save_arrays` wrote.

    Raises:
        OSError: there is no such file.
        ValueError: it is no such file.
    """
    arrays: dict[str, np.ndarray] = {}
    with np.load(file, allow_pickle=False) as stored:
        for key in stored:
            if key.endswith(_LENGTHS):
                name = key.removesuffix(_LENGTHS)
                arrays[name] = _split(stored[name + _DATA].tobytes(), stored[key])
            elif not key.endswith(_DATA):
                arrays[key] = stored[key]
    return arrays


def _split(data: bytes, lengths: np.ndarray) -> np.ndarray:
    ends = np.cumsum(lengths.ravel())
    elements = np.empty(lengths.size, dtype=object)
    elements[:] = [data[end - length : end] for end, length in zip(ends, lengths.ravel(), strict=True)]
    return elements.reshape(lengths.shape)


def as_text(array: np.ndarray) -> np.ndarray:
    """Triton has bytes where ONNX Runtime takes text; what is no object array stays as it is."""
    return _each(array, lambda element: element.decode(errors="replace") if isinstance(element, bytes) else element)


def as_bytes(array: np.ndarray) -> np.ndarray:
    """The way back."""
    return _each(array, lambda element: element.encode() if isinstance(element, str) else element)


def _each(array: np.ndarray, change: Callable[[Any], Any]) -> np.ndarray:
    if not array.dtype.hasobject or not array.size:
        return array
    return np.asarray(np.vectorize(change, otypes=[object])(array), dtype=object)
