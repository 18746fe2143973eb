"""One network learns what is true of each sample: classification and regression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytorch_lightning as lightning
import torch
import torch.nn.functional as F  # noqa: N812 - its customary name

from tritonkit.training.chance import seed_of
from tritonkit.training.optimisers import l1_penalty, make_optimiser, make_schedule
from tritonkit.training.pictures import augment, network_input

if TYPE_CHECKING:
    from collections.abc import Callable

    from tritonkit.spec.recipe import Recipe

_LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "classification": F.cross_entropy,
    "regression": F.mse_loss,
}


class Supervised(lightning.LightningModule):
    """What Lightning's loop runs: the loss of a batch, and what is logged of it.

    Args:
        network: samples (N, ...) -> logits (N, classes), or numbers of the targets' shape.
        recipe: task, augmentation, optimiser.
        steps: of the whole training.
    """

    def __init__(self, network: torch.nn.Module, recipe: Recipe, *, steps: int) -> None:
        super().__init__()
        self.network = network
        self._recipe, self._steps = recipe, steps
        self._loss = _LOSSES[recipe.task]

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """The network's answer to samples as the data set has them."""
        answer: torch.Tensor = self.network(self._input(samples, None))
        return answer

    def training_step(self, batch: list[torch.Tensor], batch_index: int) -> torch.Tensor:
        """The loss of one batch."""
        samples, targets = batch
        seed = seed_of(self._recipe.seed, self.current_epoch, batch_index, self.global_rank)
        chance = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)  # dropout draws from torch's own generator
        loss = self._loss(self.network(self._input(samples, chance)), targets)
        self.log("training_loss", loss.detach(), on_step=True, on_epoch=True, prog_bar=True, batch_size=len(samples))
        penalised: torch.Tensor = loss + l1_penalty(self.network, self._recipe.optimiser.l1)
        return penalised

    def validation_step(self, batch: list[torch.Tensor], _: int) -> None:
        """Logs loss and accuracy of held-out samples."""
        samples, targets = batch
        answers = self(samples)
        size: dict[str, Any] = {"on_epoch": True, "batch_size": len(samples), "sync_dist": True, "prog_bar": True}
        self.log("validation_loss", self._loss(answers, targets), **size)
        if self._recipe.task == "classification":
            right = (answers.argmax(dim=1) == targets).to(torch.float32).mean()
            self.log("validation_accuracy", right, **size)

    def configure_optimizers(self) -> Any:
        """The optimiser, and the schedule that is stepped with it."""
        optimiser = make_optimiser(self.network, self._recipe.optimiser)
        schedule = make_schedule(optimiser, self._recipe.optimiser, steps=self._steps)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _input(self, samples: torch.Tensor, chance: torch.Generator | None) -> torch.Tensor:
        pictures = self._recipe.pictures
        if pictures is None:
            return samples
        seen = samples if chance is None else augment(samples, pictures, chance)
        return network_input(seen, pictures, chance).contiguous(memory_format=torch.channels_last)
