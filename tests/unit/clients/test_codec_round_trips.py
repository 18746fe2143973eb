"""What goes into the codec comes out of it, and its bytes are tritonclient's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tritonclient.utils import deserialize_bytes_tensor, serialize_byte_tensor

from clients.codec import datatype_of, decode, encode, numpy_dtype

NUMBERS = ["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64"]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)


@given(st.data())
def test_numbers_come_back_bit_by_bit(data: st.DataObject) -> None:
    datatype = data.draw(st.sampled_from(NUMBERS))
    array = data.draw(hnp.arrays(numpy_dtype(datatype), SHAPES))
    back = decode(bytes(encode(array, datatype)), datatype, array.shape)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()
    assert datatype_of(array.dtype) == datatype


@given(hnp.arrays(np.object_, SHAPES, elements=st.binary(max_size=40)))
def test_strings_come_back_and_are_the_bytes_of_tritonclient(array: np.ndarray) -> None:
    content = encode(array, "BYTES")
    assert decode(content, "BYTES", array.shape).tolist() == array.tolist()
    theirs = serialize_byte_tensor(array)
    assert content == (theirs.item() if theirs.size else b"")
    assert deserialize_bytes_tensor(content).tolist() == array.reshape(-1).tolist()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_text_is_sent_as_utf8(strings: list[str]) -> None:
    array = np.array(strings, dtype=np.object_)
    assert decode(encode(array, "BYTES"), "BYTES", array.shape).tolist() == [text.encode() for text in strings]


def test_bfloat16() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="numpy has no BF16; ml_dtypes brings it")
    for size in (6, 6000):
        array = np.arange(size).astype(ml_dtypes.bfloat16).reshape(2, -1)
        assert datatype_of(array.dtype) == "BF16"
        assert decode(bytes(encode(array, "BF16")), "BF16", array.shape).tobytes() == array.tobytes()


@pytest.mark.parametrize("size", [12, 12_000])
@pytest.mark.parametrize("dtype", [np.int32, np.bool_, np.float16, np.float64])
def test_memory_order_does_not_matter(size: int, dtype: type) -> None:
    array = np.arange(size).astype(dtype)
    datatype = datatype_of(array.dtype)
    for other in (array, array.reshape(3, -1).T, array[::-2], array.reshape(2, -1)[:, 1:], array.reshape(1, 1, -1)):
        assert bytes(encode(other, datatype)) == other.tobytes()


def test_a_large_array_is_not_copied() -> None:
    array = np.zeros(100_000, np.float32)
    content = encode(array, "FP32")
    array[0] = 1.0
    assert bytes(content[:4]) == array[:1].tobytes()


@pytest.mark.parametrize(
    ("content", "datatype", "shape"),
    [
        (b"\x00" * 7, "FP32", (2,)),
        (b"\x00" * 8, "FP32", (3,)),
        (b"", "FP32", (1,)),
        (b"\x05\x00\x00\x00abc", "BYTES", (1,)),
        (b"\x05\x00", "BYTES", (1,)),
        (b"\x01\x00\x00\x00a", "BYTES", (2,)),
        (b"\x00", "FP8", (1,)),
    ],
)
def test_bytes_that_do_not_fit_are_refused(content: bytes, datatype: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        decode(content, datatype, shape)


def test_an_element_that_is_no_string_is_refused() -> None:
    with pytest.raises(TypeError, match="int"):
        encode(np.array([b"a", 3], dtype=np.object_), "BYTES")
