"""Pictures as bytes -> what a network takes, with or without augmentation. Pure functions of tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its customary name
from torchvision.transforms.v2 import functional as pictures

if TYPE_CHECKING:
    from tritonkit.spec.recipe import PictureRecipe


def as_planes(samples: np.ndarray) -> torch.Tensor:
    """Pictures of shape (N, H, W) or (N, H, W, C) -> uint8 of shape (N, C, H, W)."""
    planes = samples[:, None] if samples.ndim == 3 else samples.transpose(0, 3, 1, 2)
    return torch.from_numpy(np.array(planes, order="C"))


def augment(batch: torch.Tensor, recipe: PictureRecipe, generator: torch.Generator) -> torch.Tensor:
    """Flips and crops each picture of `batch`, uint8 of shape (N, C, H, W), by chance of its own."""
    count, _, height, width = batch.shape
    pad = recipe.crop_padding
    padded = F.pad(batch, (pad, pad, pad, pad))
    top = torch.randint(0, 2 * pad + 1, (count, 1), generator=generator)
    left = torch.randint(0, 2 * pad + 1, (count, 1), generator=generator)
    columns = torch.arange(width).expand(count, width)
    if recipe.flip:
        mirrored = torch.rand((count, 1), generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    rows = (top + torch.arange(height))[:, :, None]
    return padded[torch.arange(count)[:, None, None], :, rows, (left + columns)[:, None, :]].permute(0, 3, 1, 2)


def network_input(batch: torch.Tensor, recipe: PictureRecipe, generator: torch.Generator | None = None) -> torch.Tensor:
    """Resizes, scales and normalises `batch`.

    The resampling is the one that Pillow does on bytes, so that the network meets the served pictures in training.

    Args:
        batch: uint8 of shape (N, C, H, W).
        recipe: the choices.
        generator: of the noise; without it there is none.

    Returns:
        float32 of shape (N, recipe.channels, recipe.resize, recipe.resize).
    """
    side = recipe.resize
    resized = pictures.resize(batch, [side, side], pictures.InterpolationMode.BILINEAR, antialias=True)
    pixels = resized.to(torch.float32) / 255
    if generator is not None and recipe.noise:
        pixels = (pixels + recipe.noise * torch.randn(pixels.shape, generator=generator)).clamp(0, 1)
    normalised: torch.Tensor = (pixels - recipe.mean) / recipe.std
    return normalised.expand(-1, recipe.channels, -1, -1)
