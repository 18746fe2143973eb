"""What parity asks: seeded random tensors, the edges of their range, real pictures and their awkward relatives."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tritonkit.spec.dtypes import BY_TRITON

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tritonkit.spec.model import Samples, TensorSpec

# A free dimension is asked at a size that no framework would choose by itself.
FREE_DIMENSION = 7
_EXIF_ORIENTATION = 0x0112
_ROTATED_CLOCKWISE = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSamples:
    """Rows that the network is asked.

    Attributes:
        names: name of each row.
        inputs: array by input name; its first axis counts rows.
    """

    names: tuple[str, ...]
    inputs: Mapping[str, np.ndarray]


def make_tensors(inputs: tuple[TensorSpec, ...], samples: Samples) -> TensorSamples:
    """`samples.random` seeded random rows, then a row of zeros and a row of large values.

    Floating point rows are standard normal, as normalised data is; the large row is eight standard deviations out.
    Integer rows are drawn from 0..99, the range that every embedding table of practical size has.
    """
    random = np.random.default_rng(samples.seed)
    names = (*(f"random {index}" for index in range(samples.random)), "zeros", "large")
    return TensorSamples(names=names, inputs={spec.name: _rows(spec, samples.random, random) for spec in inputs})


def _rows(spec: TensorSpec, count: int, random: np.random.Generator) -> np.ndarray:
    shape = tuple(FREE_DIMENSION if dim == -1 else dim for dim in spec.dims)
    dtype = np.dtype(BY_TRITON[spec.data_type].numpy)
    rows: np.ndarray
    if dtype.kind == "f":
        rows = random.standard_normal((count, *shape))
        large = np.full((1, *shape), 8.0)
    else:
        rows = random.integers(0, 2 if dtype.kind == "b" else 100, (count, *shape))
        large = np.full((1, *shape), 1 if dtype.kind == "b" else 99)
    return np.concatenate([rows, np.zeros((1, *shape)), large]).astype(dtype)


def make_pictures(real: Mapping[str, Path]) -> dict[str, bytes]:
    """Bytes of the real pictures by file name, then of relatives of the first one that real traffic brings too."""
    pictures = {name: path.read_bytes() for name, path in real.items()}
    if real:
        with Image.open(next(iter(real.values()))) as opened:
            photo = opened.convert("RGB")
        pictures |= {name: make(photo) for name, make in _RELATIVES.items()}
    return pictures


def _encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _with_alpha(photo: Image.Image) -> Image.Image:
    ramp = np.linspace(0, 255, photo.width, dtype=np.uint8)
    alpha = Image.fromarray(np.ascontiguousarray(np.broadcast_to(ramp, (photo.height, photo.width))))
    copy = photo.copy()
    copy.putalpha(alpha)
    return copy


def _rotated_by_exif(photo: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[_EXIF_ORIENTATION] = _ROTATED_CLOCKWISE
    return _encoded(photo, "JPEG", quality=90, exif=exif)


_RELATIVES: dict[str, Callable[[Image.Image], bytes]] = {
    "edge_grey.png": lambda photo: _encoded(photo.convert("L"), "PNG"),
    "edge_alpha.png": lambda photo: _encoded(_with_alpha(photo), "PNG"),
    "edge_palette.png": lambda photo: _encoded(photo.quantize(64), "PNG"),
    "edge_cmyk.jpg": lambda photo: _encoded(photo.convert("CMYK"), "JPEG", quality=90),
    "edge_exif_rotated.jpg": _rotated_by_exif,
    "edge_progressive.jpg": lambda photo: _encoded(photo, "JPEG", quality=60, progressive=True),
    "edge_tall.jpg": lambda photo: _encoded(photo.resize((61, 307)), "JPEG", quality=90),
    "edge_wide.png": lambda photo: _encoded(photo.resize((499, 33)), "PNG"),
    "edge_tiny.png": lambda photo: _encoded(photo.resize((9, 7)), "PNG"),
}
