"""Requests that the server would refuse, or worse would take, never leave the client; the message says why."""

from __future__ import annotations

import numpy as np
import pytest

from clients import Client, InvalidRequestError
from clients.messages import InferRequest
from clients.testing import FakeModel, FakeTransport

F32 = np.float32
MODELS = {
    "batching": FakeModel(
        inputs={"x": ("FP32", (-1, 16))},
        outputs={"y": ("FP32", (-1, 16))},
        max_batch_size=8,
        answer=lambda inputs: {"y": inputs["x"]},
    ),
    "pair": FakeModel(
        inputs={"a": ("INT64", (-1, 2)), "b": ("INT64", (-1, 2))},
        outputs={"sum": ("INT64", (-1, 2))},
        max_batch_size=4,
        answer=lambda inputs: {"sum": inputs["a"] + inputs["b"]},
    ),
    "plain": FakeModel(
        inputs={"x": ("FP16", (2, -1))},
        outputs={"y": ("FP16", (2, -1))},
        answer=lambda inputs: {"y": inputs["x"]},
    ),
    "image": FakeModel(
        inputs={"image": ("BYTES", (-1, 1))},
        outputs={"size": ("INT32", (-1, 1))},
        max_batch_size=8,
        answer=lambda inputs: {"size": np.array([[len(row[0])] for row in inputs["image"]], np.int32)},
    ),
    "text": FakeModel(
        inputs={"text": ("BYTES", (1,))},
        outputs={"text": ("BYTES", (1,))},
        answer=lambda inputs: {"text": inputs["text"]},
    ),
}


@pytest.fixture
def transport() -> FakeTransport:
    return FakeTransport(MODELS)


@pytest.fixture
def client(transport: FakeTransport) -> Client:
    return Client("grpc://fake", transport=transport)


ROW = np.zeros((1, 16), F32)
BAD = {
    "float64": ("batching", {"x": ROW.astype(np.float64)}, {}, "astype(numpy.float32)"),
    "integers": ("batching", {"x": np.zeros((1, 16), np.int32)}, {}, "INT32"),
    "big-endian": ("batching", {"x": ROW.astype(">f4")}, {}, "astype(numpy.float32)"),
    "complex": ("batching", {"x": ROW.astype(np.complex64)}, {}, "complex64"),
    "strings": ("batching", {"x": np.full((1, 16), b"0", np.object_)}, {}, "decode it first"),
    "bytes": ("batching", {"x": b"\x00" * 64}, {}, "BYTES"),
    "a list of numbers": ("batching", {"x": [[0.0] * 16]}, {}, "numpy.array(value, dtype=numpy.float32)"),
    "no array": ("batching", {"x": object()}, {}, "a numpy array"),
    "no batch dimension": ("batching", {"x": ROW[0]}, {}, "give the batch dimension, for one sample [1, 16]"),
    "batch 0": ("batching", {"x": ROW[:0]}, {}, "batch 1..8"),
    "batch 9": ("batching", {"x": np.zeros((9, 16), F32)}, {}, "at most 8 samples"),
    "a wrong size": ("batching", {"x": np.zeros((1, 15), F32)}, {}, "[batch 1..8, 16]"),
    "a rank too many": ("batching", {"x": np.zeros((1, 16, 1), F32)}, {}, "[1, 16, 1]"),
    "a scalar": ("batching", {"x": np.float32(1)}, {}, "[]"),
    "NaN": ("batching", {"x": np.full((1, 16), np.nan, F32)}, {}, "NaN"),
    "half NaN": ("plain", {"x": np.array([[0.0], [np.nan]], np.float16)}, {}, "NaN"),
    "an unknown input": ("batching", {"X": ROW}, {}, "did you mean"),
    "an input too many": ("batching", {"x": ROW, "z": ROW}, {}, "no input 'z'"),
    "no input": ("batching", {}, {}, "input 'x' is missing"),
    "an input missing": ("pair", {"a": np.zeros((1, 2), np.int64)}, {}, "input 'b' is missing"),
    "unlike batches": (
        "pair",
        {"a": np.zeros((1, 2), np.int64), "b": np.zeros((2, 2), np.int64)},
        {},
        "differ in their batch dimension",
    ),
    "an unknown output": ("batching", {"x": ROW}, {"outputs": ["Y"]}, "no output 'Y'"),
    "an output twice": ("batching", {"x": ROW}, {"outputs": ["y", "y"]}, "twice"),
    "a name for outputs": ("batching", {"x": ROW}, {"outputs": "y"}, "['y']"),
    "no classes": ("batching", {"x": ROW}, {"classes": {"y": 0}}, "at least 1"),
    "Triton's own parameter": ("batching", {"x": ROW}, {"parameters": {"timeout": 1}}, "Triton's own"),
    "a parameter of no type": ("batching", {"x": ROW}, {"parameters": {"p": [1]}}, "[1]"),
    "an endless parameter": ("batching", {"x": ROW}, {"parameters": {"p": float("nan")}}, "finite"),
    "a negative priority": ("batching", {"x": ROW}, {"priority": -1}, "0 or more"),
    "a flat list of strings": ("image", {"image": [b"a", b"b"]}, {}, "for one sample [1, 2]"),
    "ragged strings": ("image", {"image": [[b"a"], [b"b", b"c"]]}, {}, "differ in length"),
    "numbers among strings": ("image", {"image": [[b"a"], [3]]}, {}, "more than bytes and str"),
    "numbers for strings": ("image", {"image": np.zeros((1, 1), F32)}, {}, "BYTES takes"),
    "a number in an object array": ("image", {"image": np.array([[3]], np.object_)}, {}, "bytes or str, not int"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_request(client: Client, transport: FakeTransport, case: str) -> None:
    model, inputs, choices, words = BAD[case]
    with pytest.raises(InvalidRequestError) as caught:
        client.infer(model, inputs, **choices)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (caught.value.model, caught.value.attempt, caught.value.retryable) == (model, 0, False)
    assert not [message for message in transport.requests if isinstance(message, InferRequest)]


@pytest.mark.parametrize("value", [b"abc", "abc", [[b"abc"]], [["abc"]], np.array([["abc"]]), np.array([[b"abc"]])])
def test_ways_to_give_one_string(client: Client, value: object) -> None:
    assert client.infer("image", {"image": value})["size"].tolist() == [[3]]


def test_a_batch_of_strings(client: Client) -> None:
    assert client.infer("image", {"image": [[b"a"], ["é"]]})["size"].tolist() == [[1], [2]]


def test_a_single_string_for_a_model_that_does_not_batch(client: Client) -> None:
    assert client.infer("text", {"text": "é"}).text("text") == ["é"]


def test_infinities_and_by_choice_nan_are_sent(transport: FakeTransport) -> None:
    ends = np.array([[np.inf, -np.inf] * 8], F32)
    assert Client("grpc://fake", transport=transport).infer("batching", {"x": ends})["y"].tolist() == ends.tolist()
    nan = np.full((1, 16), np.nan, F32)
    client = Client("grpc://fake", transport=transport, allow_nan=True)
    assert np.isnan(client.infer("batching", {"x": nan})["y"]).all()


def test_things_that_numpy_takes_for_arrays(client: Client) -> None:
    class Tensorlike:
        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
            return np.ones((1, 16), F32)

    assert client.infer("batching", {"x": Tensorlike()})["y"].sum() == 16


def test_the_signature_is_fetched_once(client: Client, transport: FakeTransport) -> None:
    for _ in range(3):
        client.infer("batching", {"x": ROW})
    assert len([message for message in transport.requests if not isinstance(message, InferRequest)]) == 2


def test_a_refusal_is_checked_against_a_fresh_signature(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    transport = FakeTransport(dict(MODELS))
    client = Client("grpc://fake", transport=transport)
    client.infer("batching", {"x": ROW})
    transport.models["batching"] = MODELS["pair"]
    monkeypatch.setattr("clients.plans._STALE_AFTER_SECONDS", 0.0)
    pair = {"a": np.ones((1, 2), np.int64), "b": np.ones((1, 2), np.int64)}
    assert client.infer("batching", pair)["sum"].tolist() == [[2, 2]]
