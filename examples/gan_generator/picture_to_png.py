"""After the generator: a picture -> the bytes of a PNG file."""

import io

import numpy as np
from PIL import Image


def postprocess(requests: list[dict[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
    """Pictures, float32 (N, 1, 28, 28), black -1 and white 1 -> PNG files, bytes (N, 1)."""
    return [{"png": np.array([[_png(picture[0])] for picture in request["picture"]], object)} for request in requests]


def _png(plane: np.ndarray) -> bytes:
    levels = np.rint((plane.clip(-1, 1) + 1) * 127.5).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG")
    return buffer.getvalue()
