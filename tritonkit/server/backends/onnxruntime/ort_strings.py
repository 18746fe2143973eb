"""BYTES tensors on their way to ONNX Runtime and back."""

from __future__ import annotations

from typing import Any

import numpy as np


def to_runtime(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Fixed-width bytes, each element cut at its first NUL byte as the C++ backend cuts it.

    ONNX Runtime reads such an array byte by byte, while it takes an object array for text and would refuse what is
    not UTF-8.
    """
    flat = [bytes(item).partition(b"\0")[0] for item in array.reshape(-1)]
    # One byte more than the longest: where an element fills its width, ONNX Runtime reads on into the next.
    width = 1 + max(map(len, flat), default=0)
    return np.array(flat, dtype=f"S{width}").reshape(array.shape)


def from_runtime(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An object array of bytes, as Triton serializes it."""
    flat = np.empty(array.size, dtype=np.object_)
    for position, item in enumerate(array.reshape(-1)):
        flat[position] = item if isinstance(item, bytes) else str(item).encode()
    return flat.reshape(array.shape)
