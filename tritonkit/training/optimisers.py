"""A recipe's optimiser and schedule -> torch's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tritonkit.spec.recipe import OptimiserRecipe


def make_optimiser(network: torch.nn.Module, recipe: OptimiserRecipe) -> torch.optim.Optimizer:
    """The optimiser of `network`'s parameters; only matrices and filters decay."""
    groups = [
        {"params": list(penalised(network.parameters())), "weight_decay": recipe.weight_decay},
        {"params": [p for p in network.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    make: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "sgd": lambda: torch.optim.SGD(
            groups, recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=True
        ),
        "adam": lambda: torch.optim.Adam(groups, recipe.learning_rate, betas=(recipe.momentum, 0.999), fused=True),
        "rmsprop": lambda: torch.optim.RMSprop(groups, recipe.learning_rate, momentum=recipe.momentum),
    }
    return make[recipe.kind]()


def penalised(parameters: Iterable[torch.nn.Parameter]) -> Iterable[torch.nn.Parameter]:
    """The parameters that weight decay and L1 are about: matrices and filters, not biases and normalisation."""
    return (parameter for parameter in parameters if parameter.ndim >= 2)


def make_schedule(
    optimiser: torch.optim.Optimizer, recipe: OptimiserRecipe, *, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """The learning rate of each of `steps` steps, as a part of the recipe's."""
    return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate_at(step / steps, recipe))


def rate_at(progress: float, recipe: OptimiserRecipe) -> float:
    """The learning rate's part of its highest value.

    Args:
        progress: how much of training is done, from 0 to 1.
        recipe: the schedule. one_cycle follows Smith and Topin, "Super-Convergence", 2017, with half cosines for lines.
    """
    if recipe.schedule == "constant":
        return 1.0
    if recipe.schedule == "cosine":
        return _fall(progress)
    if progress < recipe.warm_up:
        return 1.0 - 0.96 * _fall(progress / recipe.warm_up)
    return _fall((progress - recipe.warm_up) / (1 - recipe.warm_up))


def _fall(part: float) -> float:
    """Half a cosine, from 1 to 0."""
    return 0.5 * (1 + math.cos(math.pi * min(part, 1.0)))


def l1_penalty(network: torch.nn.Module, strength: float) -> torch.Tensor | float:
    """`strength` times the sum of the penalised weights' magnitudes."""
    if not strength:
        return 0.0
    magnitudes = [parameter.abs().sum() for parameter in penalised(network.parameters())]
    return strength * torch.stack(magnitudes).sum()
