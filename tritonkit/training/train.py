"""Recipe -> weights, top to bottom: read this first."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import platform
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, RichProgressBar

from tritonkit.evaluation.datasets.dataset import load_dataset, split_digest
from tritonkit.repository.digests import file_digest
from tritonkit.spec.errors import GateError, InputError
from tritonkit.spec.recipe import NetworkRecipe, Recipe, load_recipe
from tritonkit.spec.references import find_function
from tritonkit.spec.training import DataSummary, TrainingReport
from tritonkit.training.adversarial import Adversarial
from tritonkit.training.batches import HeldOut, hold_out, training_batches, validation_batches
from tritonkit.training.history import History
from tritonkit.training.supervised import Supervised
from tritonkit.training.weights import write_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tritonkit.evaluation.datasets.dataset import DataSet

WEIGHTS, LOG, REPORT = "weights.safetensors", "log.csv", "training.json"
_CHECKPOINTS, _LAST = "checkpoints", "last.ckpt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Where this process stands among those that torchrun started; alone, if it started none."""

    rank: int
    count: int
    here: int
    """Of them, on this machine."""


def train(
    recipe_file: Path,
    out: Path,
    *,
    resume: bool = False,
    progress_bar: bool = False,
    watch: Callable[[str], None] = lambda _: None,
) -> TrainingReport:
    """Trains what `recipe_file` describes and writes weights, log, checkpoints and report into `out`.

    Under torchrun each process calls this; the first one writes.

    Args:
        recipe_file: the recipe; modules beside it come before installed ones.
        out: the folder to write into.
        resume: go on from the last finished epoch that `out` holds, to the same weights as without the interruption.
        progress_bar: show a bar on stderr.
        watch: is told one line an epoch.

    Raises:
        InputError: the recipe, its functions or its data are wrong, or there is nothing to resume.
        GateError: a test sample is in the training split, or the loss is no number any more.
        UnavailableError: the data set cannot be fetched.
    """
    recipe = load_recipe(recipe_file)
    processes = _processes()
    last = _last_checkpoint(out, resume=resume)
    data = load_dataset(recipe.data.source, recipe.data.arguments, recipe_file.parent)
    held = hold_out(data, recipe)
    torch.manual_seed(recipe.seed)
    batches = training_batches(held, recipe, rank=processes.rank, processes=processes.count)
    module = _module(recipe, recipe_file, steps=recipe.epochs * len(batches))
    history = History(out / LOG if processes.rank == 0 else None, watch=watch)
    best = _best_checkpoint(recipe, out)
    with _lightning_is_quiet():
        trainer = _trainer(recipe, out, processes, [history, best, *_other_callbacks(recipe, bar=progress_bar)])
        watched = validation_batches(held, rank=processes.rank, processes=processes.count)
        trainer.fit(
            module,
            batches,
            watched if len(held.validation) else None,
            ckpt_path=last,
            weights_only=True,
        )
    return _finish(recipe, recipe_file, out, data, held, module, history, best, processes)


def _processes() -> Processes:
    """From the variables that torchrun sets."""
    return Processes(
        rank=int(os.environ.get("RANK", "0")),
        count=int(os.environ.get("WORLD_SIZE", "1")),
        here=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
    )


def _last_checkpoint(out: Path, *, resume: bool) -> Path | None:
    last = out / _CHECKPOINTS / _LAST
    if resume and not last.is_file():
        raise InputError("there is nothing to resume", where=last, hint="leave out --resume to begin")
    if not resume and last.is_file():
        raise InputError(
            "the folder holds another training", where=out, hint="--resume goes on with it; or name another folder"
        )
    out.mkdir(parents=True, exist_ok=True)
    return last if resume else None


def _module(recipe: Recipe, recipe_file: Path, *, steps: int) -> Supervised | Adversarial:
    network = _network(recipe.network, recipe_file, "network.factory")
    if recipe.discriminator is None:
        return Supervised(network, recipe, steps=steps)
    judge = _network(recipe.discriminator, recipe_file, "discriminator.factory")
    return Adversarial(network, judge, recipe, steps=steps)


def _network(network: NetworkRecipe, recipe_file: Path, key: str) -> torch.nn.Module:
    factory = find_function(network.factory, recipe_file.parent, key)
    try:
        made = factory(**network.arguments)
    except TypeError as error:
        raise InputError(f"{key}: the function takes no such arguments", where=recipe_file, got=error) from error
    if not isinstance(made, torch.nn.Module):
        raise InputError(
            f"{key} returned no network", where=recipe_file, got=type(made).__name__, expected="a torch.nn.Module"
        )
    return made.to(memory_format=torch.channels_last)


def _best_checkpoint(recipe: Recipe, out: Path) -> ModelCheckpoint:
    """Keeps the epoch of the least validation loss, or the last one where nothing is held out; and always the last."""
    return ModelCheckpoint(
        out / _CHECKPOINTS,
        filename="best",
        monitor="validation_loss" if recipe.data.validation else None,
        save_last=True,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


def _other_callbacks(recipe: Recipe, *, bar: bool) -> Iterator[lightning.Callback]:
    if recipe.early_stop is not None:
        yield EarlyStopping("validation_loss", patience=recipe.early_stop)
    if bar:
        yield RichProgressBar(refresh_rate=1, console_kwargs={"stderr": True})


def _trainer(recipe: Recipe, out: Path, processes: Processes, callbacks: list[lightning.Callback]) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator="auto" if processes.count == 1 else "cpu",
        devices=processes.here,
        num_nodes=processes.count // processes.here,
        strategy="ddp" if processes.count > 1 else "auto",
        max_epochs=recipe.epochs,
        callbacks=callbacks,
        default_root_dir=out,
        logger=False,
        enable_model_summary=False,
        enable_progress_bar=any(isinstance(one, RichProgressBar) for one in callbacks),
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


@contextlib.contextmanager
def _lightning_is_quiet() -> Iterator[None]:
    """Leaves out advice about loggers and loader processes that does not apply: the samples are in memory."""
    import logging  # noqa: PLC0415 - only here

    log = logging.getLogger("pytorch_lightning")
    level = log.level
    log.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"pytorch_lightning|lightning_fabric|torchmetrics")
        try:
            yield
        finally:
            log.setLevel(level)


def _finish(
    recipe: Recipe,
    recipe_file: Path,
    out: Path,
    data: DataSet,
    held: HeldOut,
    module: Supervised | Adversarial,
    history: History,
    best: ModelCheckpoint,
    processes: Processes,
) -> TrainingReport:
    losses = [epoch.training_loss for epoch in history.epochs]
    if not losses or losses[-1] != losses[-1]:
        raise GateError(
            "the loss is no number any more", where=recipe_file, got=losses, hint="a lower optimiser.learning_rate"
        )
    kept = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
    prefix = "network."
    state = {name.removeprefix(prefix): value for name, value in kept["state_dict"].items() if name.startswith(prefix)}
    if processes.rank == 0:
        write_weights(state, out / WEIGHTS, recipe.weights)
    report = TrainingReport(
        name=recipe.name,
        task=recipe.task,
        recipe_sha256=file_digest(recipe_file),
        data=DataSummary(
            name=data.name,
            training=len(held.training),
            validation=len(held.validation),
            test=len(data.test.samples),
            test_sha256=split_digest(data.test),
        ),
        parameters=sum(parameter.numel() for parameter in module.network.parameters()),
        epochs=tuple(history.epochs),
        best_epoch=kept["epoch"] + 1,
        weights=WEIGHTS,
        weights_sha256=file_digest(out / WEIGHTS) if processes.rank == 0 else "",
        wall_seconds=history.wall_seconds,
        cpu_seconds=history.cpu_seconds,
        processes=processes.count,
        threads=torch.get_num_threads(),
        tools={name: version(name) for name in ("torch", "torchvision", "pytorch-lightning", "numpy")},
        machine=f"{platform.machine()}, {os.cpu_count()} cores",
        finished_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    )
    if processes.rank == 0:
        (out / REPORT).write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return report
