"""A data set -> batches in an order that depends on the seed and the epoch alone, so that a resumed run repeats it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler, TensorDataset

from tritonkit.spec.errors import InputError
from tritonkit.training.pictures import as_planes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tritonkit.evaluation.datasets.dataset import DataSet
    from tritonkit.spec.recipe import Recipe

_AT_ONCE = 500
"""Held-out samples that are looked at together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """The training split, cut in two.

    Attributes:
        training: samples and targets that steps are made on.
        validation: those that choose the best epoch; empty where the recipe holds none out.
    """

    training: TensorDataset
    validation: TensorDataset


class EpochOrder(Sampler[list[int]]):
    """One process's share of each batch: shuffled anew each epoch, in the same way by every process.

    Args:
        count: samples.
        batch_size: samples a step, over all processes; a last, smaller batch is left out.
        seed: of the order.
        rank: number of this process.
        processes: how many there are.
    """

    def __init__(self, count: int, batch_size: int, *, seed: int, rank: int = 0, processes: int = 1) -> None:
        self._count, self._batch_size, self._seed = count, batch_size, seed
        self._rank, self._processes = rank, processes
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch whose order comes next; the loop calls it."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Steps an epoch."""
        return self._count // self._batch_size

    def __iter__(self) -> Iterator[list[int]]:
        """The indices of this process's share of each batch."""
        order = np.random.default_rng((self._seed, self._epoch)).permutation(self._count)
        for step in range(len(self)):
            batch = order[step * self._batch_size : (step + 1) * self._batch_size]
            yield batch[self._rank :: self._processes].tolist()


def hold_out(data: DataSet, recipe: Recipe) -> HeldOut:
    """Cuts the training split in two, by the recipe's seed.

    Raises:
        InputError: the recipe's `pictures` and the samples contradict each other, or too few samples are left.
    """
    _check_samples(data, recipe)
    samples = data.training.samples
    x = as_planes(samples) if recipe.pictures else torch.tensor(samples)
    y = torch.tensor(data.training.targets)
    order = torch.from_numpy(np.random.default_rng(recipe.seed).permutation(len(x)))
    held_out = round(len(x) * recipe.data.validation)
    validation, training = order[:held_out], order[held_out:]
    if len(training) < recipe.batch_size:
        raise InputError(
            "batch_size is larger than what is left to train on",
            where=data.name,
            got=recipe.batch_size,
            expected=f"at most {len(training)}",
        )
    return HeldOut(
        training=TensorDataset(x[training], y[training]), validation=TensorDataset(x[validation], y[validation])
    )


def _check_samples(data: DataSet, recipe: Recipe) -> None:
    samples = data.training.samples
    are_pictures = samples.dtype == np.uint8
    if are_pictures != (recipe.pictures is not None):
        raise InputError(
            "`pictures` belongs in a recipe whose data set holds pictures, and only there",
            where=data.name,
            got=f"samples of {samples.dtype}, {'no ' if recipe.pictures is None else ''}pictures in the recipe",
        )
    if recipe.task == "classification" and not data.classes:
        raise InputError("a data set without classes cannot be classified", where=data.name, got="task classification")


def training_batches(
    held: HeldOut, recipe: Recipe, *, rank: int, processes: int
) -> DataLoader[tuple[torch.Tensor, ...]]:
    """Batches of the training split, shuffled."""
    order = EpochOrder(len(held.training), recipe.batch_size, seed=recipe.seed, rank=rank, processes=processes)
    return DataLoader(held.training, sampler=order, batch_size=None)


def validation_batches(held: HeldOut, *, rank: int, processes: int) -> DataLoader[tuple[torch.Tensor, ...]]:
    """The held-out samples in order; each process looks at every n-th of them."""
    mine = list(range(rank, len(held.validation), processes))
    steps = [mine[start : start + _AT_ONCE] for start in range(0, len(mine), _AT_ONCE)]
    return DataLoader(held.validation, sampler=steps, batch_size=None)
