"""What goes into an identity model comes out of it, whatever its type, shape and content."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from clients import Client
from clients.codec import numpy_dtype

pytestmark = pytest.mark.server
NUMBERS = ["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64"]
SHAPES = hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=6)
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MANY = settings(FEW, max_examples=500)


def numbers(data: st.DataObject) -> dict[str, np.ndarray]:
    datatypes = data.draw(st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=4, unique=True))
    shape = data.draw(SHAPES)
    return {datatype: data.draw(hnp.arrays(numpy_dtype(datatype), shape)) for datatype in datatypes}


def check_numbers(client: Client, data: st.DataObject) -> None:
    inputs = numbers(data)
    answer = client.infer("identity", inputs)
    for datatype, array in inputs.items():
        back = answer[f"out_{datatype}"]
        assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())


def check_strings(client: Client, array: np.ndarray) -> None:
    assert client.infer("identity", {"STRING": array})["out_STRING"].tolist() == array.tolist()


@pytest.fixture
def lenient(url: str) -> Client:
    with Client(url, allow_nan=True) as client:
        yield client


STRINGS = hnp.arrays(np.object_, SHAPES, elements=st.binary(max_size=50))


@FEW
@given(st.data())
def test_numbers(lenient: Client, data: st.DataObject) -> None:
    check_numbers(lenient, data)


@FEW
@given(STRINGS)
def test_strings(lenient: Client, array: np.ndarray) -> None:
    check_strings(lenient, array)


@pytest.mark.slow
@MANY
@given(st.data())
def test_many_numbers(lenient: Client, data: st.DataObject) -> None:
    check_numbers(lenient, data)


@pytest.mark.slow
@MANY
@given(STRINGS)
def test_many_strings(lenient: Client, array: np.ndarray) -> None:
    check_strings(lenient, array)
