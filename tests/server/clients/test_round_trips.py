"""What goes into an identity model comes out of it, whatever its type, shape and content."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from clients.codec import numpy_dtype

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clients import Client

pytestmark = pytest.mark.server
NUMBERS = ["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64"]
# A side of 0 is an empty tensor, which has no bytes at all.
SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=6)
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MANY = settings(FEW, max_examples=500)


def numbers(data: st.DataObject) -> dict[str, np.ndarray]:
    shapes = data.draw(st.dictionaries(st.sampled_from(NUMBERS), SHAPES, min_size=1, max_size=4))
    return {
        f"{datatype}_{len(shape)}": data.draw(hnp.arrays(numpy_dtype(datatype), shape))
        for datatype, shape in shapes.items()
    }


def check_numbers(client: Client, data: st.DataObject) -> None:
    inputs = numbers(data)
    answer = client.infer("identity", inputs)
    for name, array in inputs.items():
        back = answer[f"out_{name}"]
        assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())


def check_strings(client: Client, array: np.ndarray) -> None:
    name = f"STRING_{array.ndim}"
    back = client.infer("identity", {name: array})[f"out_{name}"]
    assert (back.shape, back.tolist()) == (array.shape, array.tolist())


WAYS = {"plain": {}, "shared memory": {"shared_memory": "system"}, "compressed": {"compression": "gzip"}}


@pytest.fixture(params=WAYS)
def lenient(request: pytest.FixtureRequest, url: str, open_client: Callable[..., Client]) -> Iterator[Client]:
    """Both styles, and each way that a tensor can take."""
    with open_client(url, allow_nan=True, **WAYS[request.param]) as client:
        yield client


STRINGS = hnp.arrays(np.object_, SHAPES, elements=st.binary(max_size=50), fill=st.nothing())


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
