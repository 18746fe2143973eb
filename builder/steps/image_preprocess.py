"""Image preprocessing step: JPEG or PNG bytes -> the network's input. Parameters: `parameters.json` beside this file.

One execution takes all the requests that the batcher gathered, whatever the sizes of their pictures, and writes
them into one array. A picture that cannot be read fails its own request; the others of the batch are answered.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from PIL import Image, ImageOps, UnidentifiedImageError

# Only decoders that the spec promises: every further one is code that a stranger's bytes can reach.
FORMATS = ("JPEG", "PNG")
# 16 bits a channel or floating point: there is no agreed way down to 8 bits.
MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


class PictureError(ValueError):
    """The caller's bytes are no picture that this step takes."""


class TritonPythonModel:
    """Called by Triton's Python backend."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the parameters and prepares the table that normalises a pixel."""
        folder = Path(args["model_repository"]) / args["model_version"]
        self.parameters = json.loads((folder / "parameters.json").read_text(encoding="utf-8"))
        self.table = normalisation_table(self.parameters)
        self.channels = (0, 1, 2) if self.parameters["channel_order"] == "RGB" else (2, 1, 0)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers each request with float32 of shape (its batch, 3, crop, crop); where the network's graph normalises,
        with the pixels, uint8 of shape (its batch, crop, crop, 3).
        """
        pictures = [pb_utils.get_input_tensor_by_name(r, self.parameters["input"]).as_numpy().ravel() for r in requests]
        side = self.parameters["crop"]
        count = sum(len(p) for p in pictures)
        if self.parameters["pixels"]:
            batch = np.empty((count, side, side, 3), np.uint8)
        else:
            batch = np.empty((count, 3, side, side), np.float32)
        responses, start = [], 0
        for elements in pictures:
            rows = batch[start : start + len(elements)]
            start += len(elements)
            try:
                for row, data in zip(rows, elements, strict=True):
                    self.write(read_picture(data, self.parameters), row)
            except PictureError as error:
                refusal = pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG)
                responses.append(pb_utils.InferenceResponse(error=refusal))
                continue
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor(self.parameters["output"], rows)]))
        return responses

    def write(self, pixels: np.ndarray, row: np.ndarray) -> None:
        """Writes uint8 (side, side, 3), RGB, into `row` as the network takes it."""
        if self.parameters["pixels"]:
            row[...] = pixels if self.parameters["channel_order"] == "RGB" else pixels[:, :, ::-1]
        else:
            normalise(pixels, self.table, self.channels, row)


def read_picture(data: bytes, parameters: dict[str, Any]) -> np.ndarray:
    """Bytes -> uint8 of shape (crop, crop, 3), RGB.

    The shorter side becomes `resize` and the longer one keeps the aspect ratio, rounded down; the square is cut from
    the middle, its corner rounded half to even: the rules of torchvision's Resize and CenterCrop.
    """
    resize, crop = parameters["resize"], parameters["crop"]
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > parameters["max_pixels"]:
                raise PictureError(
                    f"the picture has {image.width} x {image.height} pixels, more than {parameters['max_pixels']}"
                )
            if image.mode not in MODES:
                raise PictureError(f"pictures of mode {image.mode} are not supported; send 8 bits a channel")
            if parameters["exif_orientation"] == "apply":
                ImageOps.exif_transpose(image, in_place=True)
            picture = without_alpha(image, parameters["alpha"])
    except UnidentifiedImageError:
        raise PictureError(f"the {len(data)} bytes are no {' or '.join(FORMATS)} picture") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, PictureError):
            raise
        raise PictureError(f"the picture cannot be decoded: {error}") from None
    width, height = picture.size
    if width <= height:
        size = (resize, int(resize * height / width))
    else:
        size = (int(resize * width / height), resize)
    picture = picture.resize(size, FILTERS[parameters["interpolation"]])
    left, top = round((size[0] - crop) / 2), round((size[1] - crop) / 2)
    return np.asarray(picture.crop((left, top, left + crop, top + crop)))


def without_alpha(image: Image.Image, alpha: str) -> Image.Image:
    """RGB; transparency is dropped, or laid over the colour `alpha`."""
    if alpha == "drop" or not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, alpha), layer).convert("RGB")


def normalisation_table(parameters: dict[str, Any]) -> np.ndarray:
    """float32 of shape (3, 256): the network's value for each channel of RGB and each pixel value.

    A look-up gives the very float32 that (pixel / 255 - mean) / std gives, in a third of the time.
    """
    pixel = np.arange(256, dtype=np.float32) / np.float32(255)
    mean, std = (np.asarray(parameters[key], np.float32)[:, None] for key in ("mean", "std"))
    return (pixel[None] - mean) / std


def normalise(pixels: np.ndarray, table: np.ndarray, channels: tuple[int, int, int], out: np.ndarray) -> None:
    """Writes uint8 (side, side, 3), RGB, into `out`, float32 (3, side, side), its channels in the order `channels`."""
    for position, channel in enumerate(channels):
        # "clip" writes straight into `out`; "raise" would go through a buffer. A uint8 is never out of range.
        np.take(table[channel], pixels[:, :, channel], out=out[position], mode="clip")
