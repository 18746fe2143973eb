"""Where a variant's pictures are normalised: the spec, and what is asked, as a variant with that placement has them.

Placement graph moves `(pixels / 255 - mean) / std` from the Python step into the network's graph: the step ends with
uint8 pixels, which are a quarter of the bytes, and the network takes them. Everything else stays what it is, so the
rest of the builder works on the spec and the reference that these functions return.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tritonkit.spec.model import ImagePreprocess, TensorSpec

if TYPE_CHECKING:
    from builder.reference import Reference
    from tritonkit.spec.model import ModelSpec, Variant

PIXELS = "TYPE_UINT8"

# A float32 that went through (k / 255 - mean) / std and back lies within 1e-4 of the whole number k.
_NEAR_A_PIXEL = 2e-2


def placed_spec(spec: ModelSpec, variant: Variant) -> ModelSpec:
    """`spec` with the network's input and the tolerance of preprocessing as `variant` has them."""
    if variant.placement == "step" or not isinstance(spec.preprocess, ImagePreprocess):
        return spec
    side = spec.preprocess.crop
    pixels = TensorSpec(name=spec.inputs[0].name, data_type=PIXELS, dims=(side, side, 3))
    own = spec.gates.parity.preprocess
    if own is not None:
        # A tolerance of normalised values, in steps of a pixel of the channel where a step is smallest.
        own = own.model_copy(update={"absolute": 255 * max(spec.preprocess.std) * own.absolute})
    parity = spec.gates.parity.model_copy(update={"preprocess": own})
    return spec.model_copy(update={"inputs": (pixels,), "gates": spec.gates.model_copy(update={"parity": parity})})


def takes_pixels(variant: Variant) -> bool:
    """Whether of pictures the variant is asked only what a pixel can be.

    Uint8 says nothing else. Calibrated INT8 holds the values that pictures take and clips all others: a tensor eight
    deviations out would prove that, and nothing about any request.
    """
    return variant.placement == "graph" or (variant.precision == "int8" and not variant.dynamic)


def placed_reference(reference: Reference, spec: ModelSpec, variant: Variant) -> Reference:
    """`reference` with what `variant` is asked: of placement graph, the pixels in the place of normalised tensors.

    The original weights' answers stay: they were recorded for these very pixels, normalised as the evaluation does it.
    """
    if not takes_pixels(variant) or not isinstance(spec.preprocess, ImagePreprocess):
        return reference
    if variant.placement == "step":
        return replace(reference, tensors=reference.pixels)
    name, choices = spec.inputs[0].name, spec.preprocess
    tensors = [
        replace(rows, inputs={name: to_pixels(rows.inputs[name], choices).astype(np.uint8)})
        for rows in reference.pixels
    ]
    requests = [replace(rows, inputs={name: to_pixels(rows.inputs[name], choices)}) for rows in reference.requests]
    return replace(reference, tensors=tuple(tensors), requests=tuple(requests))


def to_pixels(normalised: np.ndarray, choices: ImagePreprocess) -> np.ndarray:
    """The pixels that a normalised tensor comes from.

    Args:
        normalised: float32 of shape (rows, 3, side, side), channels as the network has them.
        choices: mean, std and the order of the channels.

    Returns:
        float32 of shape (rows, side, side, 3), in the same order of channels. Whole numbers, but where the transform
        made values between two pixels: those stay, so that whoever compares them sees that no pixel gives them.
    """
    mean, std = channel_numbers(choices)
    pixels = (normalised * std[:, None, None] + mean[:, None, None]) * np.float32(255)
    whole = np.rint(pixels)
    found: np.ndarray = np.where(np.abs(pixels - whole) < _NEAR_A_PIXEL, whole, pixels)
    return np.ascontiguousarray(found.transpose(0, 2, 3, 1))


def from_pixels(pixels: np.ndarray, choices: ImagePreprocess) -> np.ndarray:
    """uint8 of shape (rows, side, side, 3) -> float32 of shape (rows, 3, side, side), as the evaluation normalises."""
    mean, std = channel_numbers(choices)
    scaled = pixels.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    normalised: np.ndarray = (scaled - mean[:, None, None]) / std[:, None, None]
    return np.ascontiguousarray(normalised)


def channel_numbers(choices: ImagePreprocess) -> tuple[np.ndarray, np.ndarray]:
    """Mean and std, float32 of shape (3,), in the order of the network's channels; the spec gives them in RGB."""
    mean, std = np.asarray(choices.mean, np.float32), np.asarray(choices.std, np.float32)
    return (mean, std) if choices.channel_order == "RGB" else (mean[::-1], std[::-1])
