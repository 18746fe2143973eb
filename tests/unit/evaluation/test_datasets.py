"""Data sets: files are read and checked, and a test split that was trained on is refused."""

import gzip
import struct

import numpy as np
import pytest

from tritonkit.evaluation.datasets.dataset import DataSet, Split, check_dataset, split_digest
from tritonkit.evaluation.datasets.debian_package import DebianData, fetch_debian_data
from tritonkit.evaluation.datasets.diabetes import diabetes
from tritonkit.evaluation.datasets.fashion_mnist import fashion_mnist, read_idx
from tritonkit.repository.digests import bytes_digest
from tritonkit.spec.errors import GateError, InputError, UnavailableError


def _pictures(count: int, seed: int = 0) -> Split:
    random = np.random.default_rng(seed)
    return Split(samples=random.integers(0, 255, (count, 4, 4), dtype=np.uint8), targets=np.arange(count) % 2)


def test_a_leaked_picture_is_named():
    training, test = _pictures(20), _pictures(5, seed=1)
    check_dataset(DataSet(name="clean", training=training, test=test, classes=("a", "b")))
    test.samples[3] = training.samples[11]
    with pytest.raises(GateError, match=r"1 of 5; the first: test sample 3 is training sample 11"):
        check_dataset(DataSet(name="leaky", training=training, test=test, classes=("a", "b")))


def test_wrong_class_numbers_and_counts_are_refused():
    training, test = _pictures(20), _pictures(5, seed=1)
    with pytest.raises(InputError, match="no class numbers"):
        check_dataset(DataSet(name="d", training=training, test=test, classes=("only",)))
    short = Split(samples=test.samples, targets=test.targets[:-1])
    with pytest.raises(InputError, match="5 and 4"):
        check_dataset(DataSet(name="d", training=training, test=short, classes=("a", "b")))


def test_the_digest_of_a_split_sees_samples_targets_and_order():
    split = _pictures(6)
    turned = Split(samples=split.samples[::-1].copy(), targets=split.targets[::-1].copy())
    relabelled = Split(samples=split.samples, targets=1 - split.targets)
    assert len({split_digest(one) for one in (split, turned, relabelled)}) == 3
    assert split_digest(split) == split_digest(_pictures(6))


def test_idx_is_read_and_a_truncated_file_is_refused(tmp_path):
    values = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    data = b"\0\0\x08\x03" + struct.pack(">3I", 2, 3, 4) + values.tobytes()
    file = tmp_path / "pictures.gz"
    file.write_bytes(gzip.compress(data))
    np.testing.assert_array_equal(read_idx(file), values)
    file.write_bytes(gzip.compress(data[:-1]))
    with pytest.raises(InputError, match="truncated"):
        read_idx(file)
    file.write_bytes(b"nothing")
    with pytest.raises(InputError, match="not gzipped"):
        read_idx(file)


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path):
    data = DebianData(package="none", folder="nowhere", files={"a.txt": bytes_digest(b"right")})
    with pytest.raises(InputError, match="not there"):
        fetch_debian_data(data, tmp_path)
    (tmp_path / "a.txt").write_bytes(b"wrong")
    with pytest.raises(InputError, match="not the one that was published"):
        fetch_debian_data(data, tmp_path)
    (tmp_path / "a.txt").write_bytes(b"right")
    assert fetch_debian_data(data, tmp_path) == {"a.txt": tmp_path / "a.txt"}
    with pytest.raises(InputError, match="not there"):
        fashion_mnist(str(tmp_path))


def test_without_apt_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TRITONKIT_CACHE", str(tmp_path / "cache"))
    data = DebianData(package="some-data", folder="nowhere/at/all", files={"a.txt": "0" * 64})
    with pytest.raises(UnavailableError, match="apt-get install some-data"):
        fetch_debian_data(data)


def test_diabetes_has_442_patients():
    data = diabetes()
    check_dataset(data)
    assert len(data.training.samples) + len(data.test.samples) == 442
    assert data.test.samples.shape == (89, 10)
    assert data.test.targets.shape == (89, 1)
