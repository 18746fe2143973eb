"""Requests made from a model's metadata or from files, decoded again with the official messages."""

import json

import numpy as np
import pytest
from tritonclient.grpc.service_pb2 import ModelInferRequest

from benchmarks.payloads import load_requests, make_requests, save_requests
from benchmarks.served_model import ServedModel
from clients import TensorMetadata
from tritonkit.spec.errors import InputError


def _model(*inputs, batches=True):
    tensors = tuple(TensorMetadata(name=name, datatype=datatype, shape=shape) for name, datatype, shape in inputs)
    return ServedModel(name="m", inputs=tensors, batches=batches, parts=())


IMAGE = _model(("image", "BYTES", (-1, 1)))
VECTOR = _model(("x", "FP32", (-1, 4)))


def _both(request):
    """The tensors of both encodings as (name, datatype, shape, bytes)."""
    message = ModelInferRequest.FromString(request.grpc)
    assert message.model_name == "m"
    by_grpc = [
        (tensor.name, tensor.datatype, tuple(tensor.shape), raw)
        for tensor, raw in zip(message.inputs, message.raw_input_contents, strict=True)
    ]
    header = json.loads(request.http[: request.http_header_length])
    rest, by_http = request.http[request.http_header_length :], []
    for tensor in header["inputs"]:
        size = tensor["parameters"]["binary_data_size"]
        by_http.append((tensor["name"], tensor["datatype"], tuple(tensor["shape"]), rest[:size]))
        rest = rest[size:]
    assert rest == b""
    assert header["parameters"] == {"binary_data_output": True}
    assert by_grpc == by_http
    return by_grpc


@pytest.mark.parametrize(
    ("datatype", "dtype"),
    [("FP32", "f4"), ("FP16", "f2"), ("FP64", "f8"), ("INT64", "i8"), ("UINT8", "u1"), ("BOOL", "?"), ("BF16", "u2")],
)
def test_random_numbers_of_the_models_types(datatype, dtype):
    requests = make_requests(_model(("x", datatype, (-1, 2, 3))), batch=4)
    ((name, found, shape, raw),) = _both(requests[0])
    assert (name, found, shape) == ("x", datatype, (4, 2, 3))
    assert len(np.frombuffer(raw, dtype)) == 24
    assert len({request.grpc for request in requests}) > 1


def test_a_bf16_number_is_the_upper_half_of_a_float():
    ((_, _, _, raw),) = _both(make_requests(_model(("x", "BF16", (-1, 1000))))[0])
    numbers = (np.frombuffer(raw, "u2").astype(np.uint32) << 16).view(np.float32)
    assert 0 <= numbers.min() < numbers.max() < 1


def test_equal_seeds_make_equal_requests():
    assert make_requests(VECTOR, seed=1) == make_requests(VECTOR, seed=1) != make_requests(VECTOR, seed=2)


def test_a_model_without_a_batch_dimension_takes_its_whole_shape():
    ((_, _, shape, _),) = _both(make_requests(_model(("x", "FP32", (2, 2)), batches=False))[0])
    assert shape == (2, 2)


def test_pictures_are_sent_as_they_are_in_turn(tmp_path):
    files = []
    for i in range(3):
        files.append(tmp_path / f"{i}.jpg")
        files[-1].write_bytes(bytes([i]) * (10 + i))
    requests = make_requests(IMAGE, files=files, batch=2)
    assert len(requests) == 3
    ((name, datatype, shape, raw),) = _both(requests[2])
    assert (name, datatype, shape) == ("image", "BYTES", (2, 1))
    assert raw == b"\x0c\0\0\0" + b"\2" * 12 + b"\x0a\0\0\0" + b"\0" * 10


def test_arrays_come_from_npy_and_npz(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(4, dtype=np.float32))
    ((_, _, shape, raw),) = _both(make_requests(VECTOR, files=[tmp_path / "x.npy"])[0])
    assert shape == (1, 4)
    assert np.frombuffer(raw, "f4").tolist() == [0, 1, 2, 3]
    two = _model(("a", "INT32", (-1, 2)), ("b", "FP32", (-1, -1)))
    np.savez(tmp_path / "two.npz", b=np.ones(3, np.float32), a=np.array([7, 8], np.int32), unused=np.zeros(1))
    tensors = _both(make_requests(two, files=[tmp_path / "two.npz"])[0])
    assert [tensor[:3] for tensor in tensors] == [("a", "INT32", (1, 2)), ("b", "FP32", (1, 3))]


@pytest.mark.parametrize(
    ("model", "array", "expected"),
    [
        (VECTOR, np.zeros(4, np.float64), "type does not fit"),
        (VECTOR, np.zeros(5, np.float32), "shape does not fit"),
        (VECTOR, np.zeros((1, 4), np.float32), "without the batch dimension"),
        (_model(("x", "FP32", (-1, 4)), ("y", "FP32", (-1, 4))), np.zeros(4, np.float32), "says nothing"),
    ],
)
def test_an_array_that_does_not_fit_is_refused(tmp_path, model, array, expected):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(InputError, match=expected):
        make_requests(model, files=[tmp_path / "x.npy"])


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be sent"):
        make_requests(IMAGE, files=[tmp_path / "none.jpg"])
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match="cannot be sent"):
        make_requests(VECTOR, files=[tmp_path / "broken.npz"])


@pytest.mark.parametrize("model", [_model(("x", "FP32", (-1, -1))), IMAGE])
def test_what_cannot_be_made_up_is_asked_for(model):
    with pytest.raises(InputError, match=r"--shape x:8|--file"):
        make_requests(model)


def test_an_open_shape_can_be_given_and_must_fit():
    model = _model(("x", "FP32", (-1, -1, 3)))
    ((_, _, shape, _),) = _both(make_requests(model, shapes={"x": (5, 3)})[0])
    assert shape == (1, 5, 3)
    for wrong in ((5, 4), (5,)):
        with pytest.raises(InputError, match="does not fit"):
            make_requests(model, shapes={"x": wrong})


def test_batches_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(InputError, match="does not batch"):
        make_requests(_model(("x", "FP32", (4,)), batches=False), batch=2)
    ragged = _model(("x", "FP32", (-1, -1)))
    for i in (1, 2):
        np.save(tmp_path / f"{i}.npy", np.zeros(i, np.float32))
    with pytest.raises(InputError, match="different shapes"):
        make_requests(ragged, files=[tmp_path / "1.npy", tmp_path / "2.npy"], batch=2)


def test_requests_reach_the_generator_unchanged(tmp_path):
    requests = make_requests(VECTOR)
    save_requests(requests, tmp_path / "requests")
    assert load_requests(tmp_path / "requests") == requests
