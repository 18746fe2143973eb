"""A network's state dict -> a safetensors file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetensors.torch import save_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

    from tritonkit.spec.recipe import WeightsRecipe


def write_weights(state: Mapping[str, torch.Tensor], path: Path, recipe: WeightsRecipe) -> None:
    """Writes `state`; the file appears whole or not at all.

    With fp16, floating-point tensors of two dimensions or more are rounded; a network that loads them computes in its
    own precision with the rounded values.
    """
    half = recipe.precision == "fp16"
    kept = {
        name: (tensor.half() if half and tensor.ndim >= 2 and tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in state.items()
    }
    draft = path.with_name(f".{path.name}.draft")
    save_file(kept, draft, metadata={"format": "pt"})
    draft.replace(path)
