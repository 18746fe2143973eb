"""How far two arrays lie apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tritonkit.evaluation.agreement import measure_agreement

FINITE = st.floats(-1e6, 1e6, width=32)


@given(hnp.arrays(np.float32, (3, 4), elements=FINITE))
def test_equal_arrays_agree(array):
    found = measure_agreement(array, array.copy(), absolute=0, relative=0)
    assert (found.worst_absolute, found.used, found.top1_agreement) == (0, 0, 1)
    assert found.least_cosine == pytest.approx(1)


@given(hnp.arrays(np.float32, (3, 4), elements=FINITE), st.integers(0, 2), st.integers(0, 3), st.floats(0.5, 1e3))
def test_one_moved_element_is_found(array, row, column, step):
    moved = array.astype(np.float64)
    moved[row, column] += step
    found = measure_agreement(moved, array, absolute=0.1, relative=0)
    assert found.worst == (row, column)
    assert found.used == pytest.approx(step / 0.1, rel=1e-6)


def test_nan_and_infinity_are_as_far_off_as_can_be():
    want = np.array([[1.0, 2.0]])
    for bad in (np.nan, np.inf):
        found = measure_agreement(np.array([[1.0, bad]]), want, absolute=1, relative=1)
        assert found.used == np.inf
        assert found.worst == (0, 1)
    same = np.array([[np.nan, np.inf]])
    assert measure_agreement(same, same, absolute=0, relative=0).used == 0


def test_relative_and_cosine_and_top1():
    want = np.array([[1.0, 0.0], [0.0, 10.0]])
    got = np.array([[0.0, 1.0], [0.0, 11.0]])
    found = measure_agreement(got, want, absolute=0, relative=1)
    assert found.worst_relative == 1
    assert found.least_cosine == pytest.approx(0)
    assert found.top1_agreement == 0.5
    assert measure_agreement(want[:, :1], want[:, :1], absolute=0, relative=0).top1_agreement is None
