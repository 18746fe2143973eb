"""What a data set is, and the rule that its test split was never seen in training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tritonkit.spec.errors import GateError, InputError
from tritonkit.spec.references import find_function

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Samples and what is true of them.

    Attributes:
        samples: pictures as uint8 of shape (N, H, W) or (N, H, W, 3), or numbers as float32 of shape (N, ...).
        targets: class numbers as int64 of shape (N,), or numbers as float32 of shape (N, ...).
    """

    samples: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """A data set.

    Attributes:
        name: what it is called in reports.
        training: what may be learned from.
        test: what nothing may be learned from.
        classes: the classes' names, in the order of their numbers; empty where targets are numbers.
    """

    name: str
    training: Split
    test: Split
    classes: tuple[str, ...] = ()


def load_dataset(source: str, arguments: Mapping[str, Any], folder: Path) -> DataSet:
    """The data set that the function `source` returns, checked.

    Args:
        source: `module:function`; a module in `folder` comes before an installed one.
        arguments: its keyword arguments.
        folder: where the document lies that names it.

    Raises:
        InputError: there is no such function, it returns no data set, or one that contradicts itself.
        GateError: a sample of the test split is in the training split.
        UnavailableError: the data cannot be fetched.
    """
    data = find_function(source, folder, "data.source")(**arguments)
    if not isinstance(data, DataSet):
        raise InputError(
            "data.source returned no data set", where=source, got=type(data).__name__, expected="a DataSet"
        )
    check_dataset(data)
    return data


def first_of_test(data: DataSet, count: int) -> DataSet:
    """The same data set with only the first `count` samples of its test split."""
    test = Split(samples=data.test.samples[:count], targets=data.test.targets[:count])
    return replace(data, test=test)


def check_dataset(data: DataSet) -> None:
    """Refuses a data set that contradicts itself, or whose test split is in part its training split.

    Raises:
        InputError: counts, shapes, types or class numbers do not fit.
        GateError: a sample of the test split is, bit for bit, in the training split.
    """
    for name, split in (("training", data.training), ("test", data.test)):
        _check_split(data, name, split)
    if data.training.samples.shape[1:] != data.test.samples.shape[1:]:
        raise InputError(
            "the two splits hold samples of different shapes",
            where=data.name,
            got=f"{data.training.samples.shape[1:]} and {data.test.samples.shape[1:]}",
        )
    refuse_leaks(data)


def _check_split(data: DataSet, name: str, split: Split) -> None:
    where = f"{data.name}, {name} split"
    if len(split.samples) != len(split.targets) or len(split.samples) == 0:
        raise InputError(
            "samples and targets are not as many",
            where=where,
            got=f"{len(split.samples)} and {len(split.targets)}",
            expected="the same number, at least one",
        )
    if str(split.samples.dtype) not in {"uint8", "float32"}:
        raise InputError(
            "the samples are of a type that no network is trained on",
            where=where,
            got=split.samples.dtype,
            expected="uint8 (pictures) or float32 (numbers)",
        )
    if data.classes and not (
        split.targets.ndim == 1 and 0 <= split.targets.min() <= split.targets.max() < len(data.classes)
    ):
        raise InputError(
            "the targets are no class numbers",
            where=where,
            got=f"{split.targets.min()} to {split.targets.max()}, shape {split.targets.shape}",
            expected=f"0 to {len(data.classes) - 1}, one a sample",
        )


def refuse_leaks(data: DataSet) -> None:
    """Refuses a test split with a sample of the training split: what was learned by heart proves nothing.

    Samples are compared by a digest of their bytes, so a picture counts however it was stored.

    Raises:
        GateError: names the first such pair and says how many there are.
    """
    seen = {digest: index for index, digest in enumerate(sample_digests(data.training.samples))}
    leaked = [(index, seen[digest]) for index, digest in enumerate(sample_digests(data.test.samples)) if digest in seen]
    if leaked:
        test, training = leaked[0]
        raise GateError(
            "the test split holds samples of the training split",
            where=data.name,
            got=f"{len(leaked)} of {len(data.test.samples)}; the first: test sample {test} is training sample {training}",
            expected="none",
            hint="take them out of one of the splits",
        )


def sample_digests(samples: np.ndarray) -> list[bytes]:
    """A digest of the bytes of each sample."""
    return [hashlib.blake2b(sample.tobytes(), digest_size=16).digest() for sample in samples]


def split_digest(split: Split) -> str:
    """sha256 of the samples and targets of `split`, in hex."""
    digest = hashlib.sha256()
    for array in (split.samples, split.targets):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
