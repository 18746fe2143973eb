"""Image preprocessing for Triton's dali backend: JPEG or PNG bytes -> the network's input, by NVIDIA DALI.

The backend runs this file once, as it loads the model, and keeps the pipeline that the marked function describes.
Parameters: `parameters.json` beside this file; they are those of the Python step, and `device`, `batch` and `threads`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nvidia.dali.math as elementwise
from nvidia.dali import fn, pipeline_def, types
from nvidia.dali.plugin.triton import autoserialize

PARAMETERS = json.loads((Path(__file__).parent / "parameters.json").read_text(encoding="utf-8"))
ON_GPU = PARAMETERS["device"] == "gpu"
FILTERS = {
    "nearest": types.INTERP_NN,
    "bilinear": types.INTERP_LINEAR,
    "bicubic": types.INTERP_CUBIC,
    "lanczos": types.INTERP_LANCZOS3,
}
BIGGEST_PIXEL = 255.0


def preprocess() -> Any:
    """One picture: float32 of shape (3, crop, crop); where the network's graph normalises, uint8 (crop, crop, 3)."""
    resize, crop = PARAMETERS["resize"], PARAMETERS["crop"]
    data = fn.external_source(name=PARAMETERS["input"], device="cpu", dtype=types.UINT8, ndim=1)
    turned = PARAMETERS["exif_orientation"] == "apply"
    height, width = _longer_side_rounded_down(fn.peek_image_shape(data, adjust_orientation=turned), resize)
    pixels = fn.decoders.image(
        data,
        device="mixed" if ON_GPU else "cpu",
        output_type=types.RGB if PARAMETERS["channel_order"] == "RGB" else types.BGR,
        adjust_orientation=turned,
    )
    pixels = fn.resize(
        pixels,
        resize_y=height,
        resize_x=width,
        interp_type=FILTERS[PARAMETERS["interpolation"]],
        antialias=PARAMETERS["interpolation"] != "nearest",
    )
    corner = fn.stack(_half_to_even(height - crop), _half_to_even(width - crop))
    square = types.Constant([float(crop), float(crop)], dtype=types.FLOAT, device="cpu")
    pixels = fn.slice(pixels, corner, square, axes=(0, 1), normalized_anchor=False, normalized_shape=False)
    if PARAMETERS["pixels"]:
        return pixels
    order = 1 if PARAMETERS["channel_order"] == "RGB" else -1
    return fn.crop_mirror_normalize(
        pixels,
        dtype=types.FLOAT,
        output_layout="CHW",
        mean=[BIGGEST_PIXEL * value for value in PARAMETERS["mean"][::order]],
        std=[BIGGEST_PIXEL * value for value in PARAMETERS["std"][::order]],
    )


def _longer_side_rounded_down(shape: Any, resize: int) -> tuple[Any, Any]:
    """Height and width after the shorter side became `resize`: torchvision's rule for the longer one."""
    height, width = (fn.cast(shape[axis], dtype=types.FLOAT) for axis in (0, 1))
    shorter = elementwise.min(height, width)
    return elementwise.floor(resize * height / shorter), elementwise.floor(resize * width / shorter)


def _half_to_even(margin: Any) -> Any:
    """Half of a whole number of pixels, rounded to the even neighbour: torchvision's corner of the middle."""
    down = elementwise.floor(margin / 2.0)
    up = (margin - 2.0 * down) * (down - 2.0 * elementwise.floor(down / 2.0))
    return down + up


# What the backend looks for in this file: the one function that autoserialize marked.
pipeline = autoserialize(
    pipeline_def(
        preprocess,
        batch_size=PARAMETERS["batch"],
        num_threads=PARAMETERS["threads"],
        device_id=0 if ON_GPU else None,
    )
)
