"""Fashion-MNIST: 70,000 grey pictures of clothes, 28 by 28 pixels, in ten classes.

Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms", 2017.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tritonkit.evaluation.datasets.dataset import DataSet, Split
from tritonkit.evaluation.datasets.debian_package import DebianData, fetch_debian_data
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

PACKAGE = DebianData(
    package="dataset-fashion-mnist",
    folder="usr/share/datasets/fashion-mnist",
    files={
        "t10k-images-idx3-ubyte.gz": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
        "t10k-labels-idx1-ubyte.gz": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
        "train-images-idx3-ubyte.gz": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
        "train-labels-idx1-ubyte.gz": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
    },
)

_UNSIGNED_BYTE = 8


def fashion_mnist(folder: str = "") -> DataSet:
    """The data set: 60,000 pictures to learn from, 10,000 to test with.

    Args:
        folder: where its four files lie, as `train-images-idx3-ubyte.gz` and so on; by default they are looked for
            where Debian's package puts them, then in the kit's cache, and then that package is downloaded into it.

    Raises:
        InputError: a file is missing from `folder` or is not the published one.
        UnavailableError: the files are not here and cannot be fetched.
    """
    files = fetch_debian_data(PACKAGE, Path(folder) if folder else None)
    return DataSet(
        name="Fashion-MNIST",
        training=_split(files, "train"),
        test=_split(files, "t10k"),
        classes=CLASSES,
    )


def _split(files: Mapping[str, Path], name: str) -> Split:
    return Split(
        samples=read_idx(files[f"{name}-images-idx3-ubyte.gz"]),
        targets=read_idx(files[f"{name}-labels-idx1-ubyte.gz"]).astype(np.int64),
    )


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array in a gzipped IDX file.

    The format is LeCun's: two zero bytes, the type, the number of dimensions, each dimension as a big-endian 32-bit
    integer, then the values.

    Raises:
        InputError: it is no such file, or is truncated.
    """
    try:
        data = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise InputError("the file is truncated or not gzipped", where=path, got=error) from None
    header = 4 + 4 * data[3] if len(data) >= 4 else 0
    if not header or data[:2] != b"\0\0" or data[2] != _UNSIGNED_BYTE or len(data) < header:
        raise InputError("the file is no IDX file of bytes", where=path, got=data[:4].hex())
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", data[3], 4))
    values = np.frombuffer(data, np.uint8, offset=header)
    if values.size != int(np.prod(shape)):
        raise InputError("the file is truncated", where=path, got=values.size, expected=f"{shape} values")
    return values.reshape(shape)
