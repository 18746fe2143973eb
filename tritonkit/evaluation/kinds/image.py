"""Reference image preprocessing, on torchvision: what a spec's `preprocess: {kind: image}` means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from PIL import Image, ImageOps
from torchvision.transforms import v2

if TYPE_CHECKING:
    from tritonkit.spec.model import ImagePreprocess

_INTERPOLATION = {
    "nearest": v2.InterpolationMode.NEAREST,
    "bilinear": v2.InterpolationMode.BILINEAR,
    "bicubic": v2.InterpolationMode.BICUBIC,
    "lanczos": v2.InterpolationMode.LANCZOS,
}


def reference_transform(image: Image.Image, spec: ImagePreprocess) -> torch.Tensor:
    """The network's input for one picture.

    Args:
        image: a picture as `PIL.Image.open` gives it.
        spec: the choices.

    Returns:
        float32 of shape (3, crop, crop).
    """
    if spec.exif_orientation == "apply":
        image = ImageOps.exif_transpose(image)
    image = _without_alpha(image, spec.alpha)
    pixels = v2.Compose(
        [v2.Resize(spec.resize, _INTERPOLATION[spec.interpolation]), v2.CenterCrop(spec.crop), v2.PILToTensor()]
    )(image)
    normalised = v2.functional.normalize(pixels.to(torch.float32) / 255, list(spec.mean), list(spec.std))
    tensor: torch.Tensor = normalised if spec.channel_order == "RGB" else normalised.flip(0)
    return tensor


def _without_alpha(image: Image.Image, alpha: str) -> Image.Image:
    if alpha == "drop" or not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, alpha), layer).convert("RGB")
