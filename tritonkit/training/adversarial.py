"""A generator learns to make pictures that a discriminator takes for real.

Goodfellow et al., "Generative Adversarial Nets", 2014, with the generator's non-saturating loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytorch_lightning as lightning
import torch
import torch.nn.functional as F  # noqa: N812 - its customary name

from tritonkit.training.chance import seed_of
from tritonkit.training.optimisers import l1_penalty, make_optimiser, make_schedule
from tritonkit.training.pictures import augment, network_input

if TYPE_CHECKING:
    from tritonkit.spec.recipe import Recipe


class Adversarial(lightning.LightningModule):
    """What Lightning's loop runs: a step of the discriminator, then one of the generator, a batch.

    Args:
        network: the generator: noise (N, noise_size) -> pictures (N, C, H, W) in the scale that the recipe's
            `pictures` gives real ones.
        discriminator: pictures -> logits of shape (N,), positive where they look real.
        recipe: augmentation and optimiser.
        steps: of the whole training.
    """

    def __init__(self, network: torch.nn.Module, discriminator: torch.nn.Module, recipe: Recipe, *, steps: int) -> None:
        super().__init__()
        self.network, self.discriminator = network, discriminator
        self._recipe, self._steps = recipe, steps
        self.automatic_optimization = False

    def training_step(self, batch: list[torch.Tensor], batch_index: int) -> None:
        """Both steps of one batch."""
        seed = seed_of(self._recipe.seed, self.current_epoch, batch_index, self.global_rank)
        chance = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)  # dropout draws from torch's own generator
        real = self._real(batch[0], chance)
        made = self.network(torch.randn((len(real), self._recipe.noise_size), generator=chance))
        maker, judge = self.optimizers()  # type: ignore[attr-defined]  # two were configured, so it is a list
        judge_loss = _loss(self.discriminator(real), 1.0) + _loss(self.discriminator(made.detach()), 0.0)
        self._step(judge, judge_loss, self.discriminator)
        maker_loss = _loss(self.discriminator(made), 1.0)
        self._step(maker, maker_loss, self.network)
        for schedule in self.lr_schedulers():  # type: ignore[union-attr]  # as above
            schedule.step()
        log: dict[str, Any] = {"on_step": True, "on_epoch": True, "prog_bar": True, "batch_size": len(real)}
        self.log("training_loss", maker_loss.detach(), **log)
        self.log("discriminator_loss", judge_loss.detach(), **log)

    def configure_optimizers(self) -> Any:
        """The generator's optimiser and the discriminator's, each with its schedule."""
        made = [make_optimiser(network, self._recipe.optimiser) for network in (self.network, self.discriminator)]
        return made, [make_schedule(one, self._recipe.optimiser, steps=self._steps) for one in made]

    def _real(self, samples: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
        pictures = self._recipe.pictures
        if pictures is None:
            raise AssertionError("a recipe of an adversarial task has pictures")
        return network_input(augment(samples, pictures, chance), pictures, chance)

    def _step(self, optimiser: Any, loss: torch.Tensor, network: torch.nn.Module) -> None:
        optimiser.zero_grad()
        self.manual_backward(loss + l1_penalty(network, self._recipe.optimiser.l1))
        optimiser.step()


def _loss(logits: torch.Tensor, truth: float) -> torch.Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, truth))
