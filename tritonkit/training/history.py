"""What a run was like, epoch by epoch: kept through a resume, written as it grows, shown to whoever watches."""

from __future__ import annotations

import csv
import resource
import time
from typing import TYPE_CHECKING, Any

import pytorch_lightning as lightning
import torch

from tritonkit.spec.training import Epoch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class History(lightning.Callback):
    """Rows of `log.csv`, one an epoch, and the time that they took.

    Args:
        file: where to write; none in processes but the first.
        watch: is told one line an epoch.
    """

    def __init__(self, file: Path | None, *, watch: Callable[[str], None]) -> None:
        self.epochs: list[Epoch] = []
        self.wall_seconds = 0.0
        self.cpu_seconds = 0.0
        self._file, self._watch = file, watch
        self._since = (0.0, 0.0)

    def on_train_epoch_start(self, *_: object) -> None:
        """Starts the clocks."""
        self._since = (time.monotonic(), _processor_seconds())

    def on_train_epoch_end(self, trainer: lightning.Trainer, _: lightning.LightningModule) -> None:
        """Keeps the epoch; validation is done by now."""
        wall, cpu = time.monotonic() - self._since[0], _processor_seconds() - self._since[1]
        self.wall_seconds += wall
        self.cpu_seconds += float(trainer.strategy.reduce(torch.tensor(cpu), reduce_op="sum"))
        seen = {name: float(value) for name, value in trainer.callback_metrics.items()}
        epoch = Epoch(
            epoch=trainer.current_epoch + 1,
            steps=trainer.global_step // len(trainer.optimizers),
            learning_rate=trainer.optimizers[0].param_groups[0]["lr"],
            training_loss=seen["training_loss_epoch"],
            validation_loss=seen.get("validation_loss"),
            validation_accuracy=seen.get("validation_accuracy"),
            discriminator_loss=seen.get("discriminator_loss_epoch"),
        )
        self.epochs.append(epoch)
        if self._file is not None:
            _write(self._file, self.epochs)
            self._watch(_line(epoch, trainer.max_epochs, wall))

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "epochs": [epoch.model_dump() for epoch in self.epochs],
            "seconds": [self.wall_seconds, self.cpu_seconds],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up a checkpoint's."""
        self.epochs = [Epoch.model_validate(epoch) for epoch in state_dict["epochs"]]
        self.wall_seconds, self.cpu_seconds = state_dict["seconds"]


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _write(file: Path, epochs: list[Epoch]) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.DictWriter(stream, fieldnames=list(Epoch.model_fields))
        rows.writeheader()
        rows.writerows(epoch.model_dump() for epoch in epochs)


def _line(epoch: Epoch, of: int | None, seconds: float) -> str:
    figures = [f"loss {epoch.training_loss:.4f}"]
    if epoch.validation_loss is not None:
        figures.append(f"held out {epoch.validation_loss:.4f}")
    if epoch.validation_accuracy is not None:
        figures.append(f"accuracy {epoch.validation_accuracy:.4f}")
    if epoch.discriminator_loss is not None:
        figures.append(f"discriminator {epoch.discriminator_loss:.4f}")
    return f"epoch {epoch.epoch} of {of}: {', '.join(figures)}; {seconds:.0f} s"
