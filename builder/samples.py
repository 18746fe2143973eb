"""What parity asks: seeded random tensors, the edges of their range, real requests, pictures and their awkward relatives."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from builder.placement import from_pixels
from tritonkit.spec.dtypes import BY_TRITON
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tritonkit.spec.model import ImagePreprocess, Samples, TensorSpec

# Sizes of a free dimension: the smallest, one that no framework would choose by itself, and a round one.
FREE_SIZES = (1, 7, 32)
_EXIF_ORIENTATION = 0x0112
_ROTATED_CLOCKWISE = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """Samples that the network is asked, all of one shape.

    Attributes:
        names: name of each sample.
        inputs: array by input name; its first axis counts samples.
    """

    names: tuple[str, ...]
    inputs: Mapping[str, np.ndarray]


def make_tensors(inputs: tuple[TensorSpec, ...], samples: Samples) -> tuple[Questions, ...]:
    """`samples.random` seeded random rows, then a row of zeros and a row of large values, at each size of what is free.

    Floating point rows are standard normal, as normalised data is; the large row is eight standard deviations out.
    Integer rows are drawn from the input's `values`, or from 0..99, the range that every embedding table of practical
    size has.
    """
    random = np.random.default_rng(samples.seed)
    free = sorted({name for spec in inputs for name in spec.free_names()})
    if not free:
        return (_questions(inputs, samples.random, {}, "", random),)
    rounds = max(len(samples.sizes.get(name, FREE_SIZES)) for name in free)
    groups = []
    for index in range(rounds):
        sizes = {name: _nth(samples.sizes.get(name, FREE_SIZES), index) for name in free}
        told = ", ".join(f"{name} {size}" for name, size in sizes.items())
        groups.append(_questions(inputs, samples.random if index == 1 else 2, sizes, f" ({told})", random))
    return tuple(groups)


def make_pixels(tensor: TensorSpec, choices: ImagePreprocess, samples: Samples) -> Questions:
    """`samples.random` seeded random pictures, a black one and a white one, normalised.

    Args:
        tensor: the network's input.
        choices: how pixels are normalised.
        samples: how many, and the seed.
    """
    shape = (choices.crop, choices.crop, 3)
    random = np.random.default_rng(samples.seed)
    pictures = random.integers(0, 256, (samples.random, *shape), np.uint8)
    pixels = np.concatenate([pictures, np.zeros((1, *shape), np.uint8), np.full((1, *shape), 255, np.uint8)])
    names = (*(f"random picture {index}" for index in range(samples.random)), "black", "white")
    return Questions(names=names, inputs={tensor.name: from_pixels(pixels, choices)})


def _nth(sizes: tuple[int, ...], index: int) -> int:
    return sizes[min(index, len(sizes) - 1)]


def _questions(
    inputs: tuple[TensorSpec, ...], count: int, sizes: Mapping[str, int], told: str, random: np.random.Generator
) -> Questions:
    names = (*(f"random {index}{told}" for index in range(count)), f"zeros{told}", f"large{told}")
    return Questions(names=names, inputs={spec.name: _rows(spec, count, sizes, random) for spec in inputs})


def sized(spec: TensorSpec, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The dimensions of `spec` with its free ones at `sizes`."""
    names = iter(spec.free_names())
    return tuple(sizes[next(names)] if dim == -1 else dim for dim in spec.dims)


def _rows(spec: TensorSpec, count: int, sizes: Mapping[str, int], random: np.random.Generator) -> np.ndarray:
    shape = sized(spec, sizes)
    dtype = np.dtype(BY_TRITON[spec.data_type].numpy)
    if dtype.hasobject:
        texts = np.empty((count + 2, *shape), dtype=object)
        for index in np.ndindex(texts.shape):
            texts[index] = b"" if index[0] == count else f"text {random.integers(1_000_000)}".encode()
        return texts
    rows: np.ndarray
    if dtype.kind == "f":
        rows = random.standard_normal((count, *shape))
        low, high = 0.0, 8.0
    else:
        low, high = spec.values or ((0, 1) if dtype.kind == "b" else (0, 99))
        rows = random.integers(low, high + 1, (count, *shape))
        low = min(max(0, low), high)
    return np.concatenate([rows, np.full((1, *shape), low), np.full((1, *shape), high)]).astype(dtype)


def read_requests(file: Path, inputs: tuple[TensorSpec, ...]) -> list[dict[str, np.ndarray]]:
    """The samples of `samples.requests`, each as arrays without a batch dimension by input of the request.

    Raises:
        InputError: an input is missing, or has another shape or data type than the spec says.
    """
    if file.suffix == ".npz":
        with np.load(file, allow_pickle=False) as stored:
            columns: dict[str, Any] = {name: stored[name] for name in stored}
        count = len(next(iter(columns.values()))) if columns else 0
        samples: list[dict[str, Any]] = [{name: rows[i] for name, rows in columns.items()} for i in range(count)]
    else:
        try:
            samples = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError("samples.requests: the file is no JSON", where=file, got=error) from None
    if not samples:
        raise InputError("samples.requests: the file holds no request", where=file)
    return [_request(sample, inputs, f"{file}: request {index}") for index, sample in enumerate(samples)]


def _request(sample: Mapping[str, Any], inputs: tuple[TensorSpec, ...], where: str) -> dict[str, np.ndarray]:
    names = [spec.name for spec in inputs]
    if set(sample) != set(names):
        raise InputError(
            "samples.requests: a request has other inputs than the model",
            where=where,
            got=", ".join(sorted(sample)),
            expected=", ".join(sorted(names)),
        )
    return {spec.name: _element(sample[spec.name], spec, where) for spec in inputs}


def _element(value: Any, spec: TensorSpec, where: str) -> np.ndarray:
    dtype = np.dtype(BY_TRITON[spec.data_type].numpy)
    try:
        array = np.asarray(value) if dtype.hasobject else np.asarray(value, dtype)
    except (TypeError, ValueError) as error:
        raise InputError(f"samples.requests: {spec.name} is no {spec.data_type}", where=where, got=error) from None
    if dtype.hasobject:
        plain = array.ravel().tolist()
        texts = np.empty(array.size, dtype=object)
        texts[:] = [text if isinstance(text, bytes) else str(text).encode() for text in plain]
        array = texts.reshape(array.shape)
    if array.ndim == 0 and spec.dims == (1,):
        array = array.reshape(1)
    fits = array.ndim == len(spec.dims) and all(
        dim in (-1, size) for dim, size in zip(spec.dims, array.shape, strict=True)
    )
    if not fits:
        raise InputError(
            f"samples.requests: {spec.name} has another shape",
            where=where,
            got=list(array.shape),
            expected=list(spec.dims),
        )
    return array


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
