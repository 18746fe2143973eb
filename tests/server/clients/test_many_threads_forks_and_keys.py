"""One client under threads, forks and event loops; keys; large answers; bad requests that are sent all the same.

Each test states its figure, and prints what was measured.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from clients import AsyncClient, Client, ClientError, DeniedError, InvalidRequestError, RestrictedKey
from clients.addresses import parse_address
from clients.messages import Fault, InferRequest
from clients.retry import judge
from clients.transports.http_connections import Deadline, Pool
from clients.transports.http_messages import HttpRequest, http_reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from tritonkit.server import TritonServer

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]


@pytest.mark.parametrize("calls", [60, pytest.param(10_000, marks=pytest.mark.slow)])
def test_one_client_in_32_threads(client: Client, calls: int) -> None:
    """Every answer right, none stuck."""
    wrong: list[object] = []

    def work(number: int) -> None:
        for call in range(calls):
            row = np.array([[number, call, number * call, 1]], np.float32)
            try:
                if client.infer("echo", {"x": row}, timeout=120)["y"].tolist() != row.tolist():
                    wrong.append(row)
            except ClientError as error:
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(32)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(600)
    stuck = sum(thread.is_alive() for thread in threads)
    print(f"{32 * calls} calls in {time.monotonic() - began:.1f} s, {len(wrong)} wrong, {stuck} threads stuck")
    assert not stuck
    assert not wrong


def _in_a_child(client: Client, queue: object) -> None:
    row = np.ones((1, 4), np.float32)
    queue.put([float(client.infer("echo", {"x": row * number})["y"][0, 0]) for number in range(5)])


# Python 3.12 warns of every fork with threads about; that one may fork all the same is what is tested.
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_client_in_a_forked_child(client: Client) -> None:
    """Parent and children go on, each on connections of its own."""
    row = np.ones((1, 4), np.float32)
    client.infer("echo", {"x": row})
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    children = [context.Process(target=_in_a_child, args=(client, queue)) for _ in range(3)]
    for child in children:
        child.start()
    for number in range(20):
        assert client.infer("echo", {"x": row * number})["y"][0, 0] == number
    for child in children:
        child.join(120)
        assert child.exitcode == 0
        assert queue.get() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("calls", [1, pytest.param(300, marks=pytest.mark.slow)])
def test_one_asyncio_client_in_200_tasks(url: str, calls: int) -> None:
    """Every answer right, none stuck."""

    async def main() -> None:
        async with AsyncClient(url, timeout=300) as client:

            async def work(number: int) -> bool:
                right = True
                for call in range(calls):
                    row = np.array([[number, call, number * call, 1]], np.float32)
                    right &= (await client.infer("echo", {"x": row}))["y"].tolist() == row.tolist()
                return right

            assert all(await asyncio.gather(*(work(number) for number in range(200))))

    began = time.monotonic()
    asyncio.run(main())
    print(f"{200 * calls} calls in {time.monotonic() - began:.1f} s")


def test_the_restricted_key(own_server: Callable[..., TritonServer], address: Callable[..., str]) -> None:
    """Without and with a wrong key a PermissionError, after one attempt; with the right one it works."""
    server = own_server("echo", restricted_apis=("model-repository", "inference"), admin_key="open-sesame")
    name = next(iter(server.admin_headers))
    row = {"x": np.ones((1, 4), np.float32)}
    for protocol in ("grpc", "http"):
        for key in (None, RestrictedKey(name, "wrong")):
            with Client(address(server, protocol), restricted_key=key) as client:
                for call in (lambda c=client: c.infer("echo", row), lambda c=client: c.load("echo")):
                    with pytest.raises(DeniedError) as caught:
                        call()
                    assert isinstance(caught.value, PermissionError)
                    assert (caught.value.attempt, caught.value.retryable) == (1, False)
        with Client(address(server, protocol), restricted_key=RestrictedKey(name, "open-sesame")) as client:
            assert client.infer("echo", row)["y"].sum() == 4
            client.load("echo")
        # A header of one's own travels the same way: with the client, or with a call.
        header = {name if protocol == "http" else f"Triton-Grpc-Protocol-{name}": "open-sesame"}
        with Client(address(server, protocol)) as client:
            assert client.infer("echo", row, headers=header)["y"].sum() == 4
            with pytest.raises(DeniedError):
                client.infer("echo", row)
        with Client(address(server, protocol), headers=header) as client:
            assert client.infer("echo", row)["y"].sum() == 4


def test_a_large_answer(url: str, open_client: Callable[..., Client]) -> None:
    """12.8 MB, beyond gRPC's own limit of 4 MiB, and as much in the request."""
    with open_client(url, timeout=300) as client:
        assert client.infer("grow", {"x": np.array([3_200_000], np.float32)})["y"].nbytes == 12_800_000
        array = np.arange(3_200_000, dtype=np.float32)
        assert np.array_equal(client.infer("wide", {"x": array})["y"], array)


F32 = np.float32
BAD = {
    "float64": {"x": np.zeros((1, 4), np.float64)},
    "batch 0": {"x": np.zeros((0, 4), F32)},
    "batch 9": {"x": np.zeros((9, 4), F32)},
    "no batch": {"x": np.zeros(4, F32)},
    "wrong size": {"x": np.zeros((1, 3), F32)},
    "wrong rank": {"x": np.zeros((1, 4, 1), F32)},
    "unknown input": {"z": np.zeros((1, 4), F32)},
    "one input too many": {"x": np.zeros((1, 4), F32), "z": np.zeros((1, 4), F32)},
    "no input": {},
    "strings": {"x": np.full((1, 4), b"a", np.object_)},
    "integers": {"x": np.zeros((1, 4), np.int32)},
    "a scalar": {"x": np.float32(1)},
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_request_sent_all_the_same_is_the_callers_fault(url: str, case: str) -> None:
    """Without the client's own checks the server's refusal has the same type, after one attempt; the server lives."""
    with Client(url, validate=False) as client:
        with pytest.raises(InvalidRequestError) as caught:
            client.infer("echo", BAD[case])
        assert (caught.value.attempt, caught.value.retryable) == (1, False)
        assert client.live()
    with Client(url) as client:
        with pytest.raises(InvalidRequestError) as caught:
            client.infer("echo", BAD[case])
        assert caught.value.attempt == 0


def test_an_unknown_output_is_the_callers_fault(url: str) -> None:
    for validate, attempts in ((False, 1), (True, 0)):
        with Client(url, validate=validate) as client:
            with pytest.raises(InvalidRequestError) as caught:
                client.infer("echo", {"x": np.zeros((1, 4), F32)}, outputs=["z"])
            assert (caught.value.attempt, caught.value.retryable) == (attempts, False)


def test_nan_which_the_server_takes_never_leaves(url: str) -> None:
    """Triton passes NaN on to the model; the client refuses it unless it was made for NaN."""
    nan = {"x": np.full((1, 4), np.nan, F32)}
    with Client(url) as client, pytest.raises(InvalidRequestError) as caught:
        client.infer("echo", nan)
    assert caught.value.attempt == 0
    with Client(url, allow_nan=True) as client:
        assert np.isnan(client.infer("echo", nan)["y"]).all()


RAW = {
    "no JSON": (b"hello", {}),
    "an array": (b"[]", {}),
    "deep nesting": (b"[" * 400 + b"]" * 400, {}),
    "no inputs": (b"{}", {}),
    "negative shape": (b'{"inputs":[{"name":"x","datatype":"FP32","shape":[-1,4],"data":[1]}]}', {}),
    "huge shape": (b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1000000],"data":[1]}]}', {}),
    "too few numbers": (b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1]}]}', {}),
    "text for numbers": (b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":["a","b","c","d"]}]}', {}),
    "a header longer than the body": (b"{}", {"inference-header-content-length": "100"}),
    "a header that is no number": (b"{}", {"inference-header-content-length": "x"}),
    "bytes that are missing": (
        b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"parameters":{"binary_data_size":16}}]}',
        {"inference-header-content-length": "95"},
    ),
    "a lie about gzip": (b"hello", {"content-encoding": "gzip"}),
}


@pytest.mark.parametrize("case", RAW)
def test_a_malformed_body_is_the_callers_fault(server: TritonServer, case: str) -> None:
    """Bodies that the client never makes; what the server says of them is judged as the caller's fault."""
    body, headers = RAW[case]
    pool = Pool(parse_address(server.http_url), connect_seconds=1, tls=None)
    connection = pool.take(Deadline(5))
    try:
        lines = ["POST /v2/models/echo/infer HTTP/1.1", "host: x", f"content-length: {len(body)}"]
        head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()
        response, _ = connection.exchange(head, HttpRequest("POST", "", (), (body,)), Deadline(5))
    finally:
        connection.close()
        pool.close()
    with pytest.raises(Fault) as caught:
        http_reply(InferRequest(model="echo", inputs=()), response)
    rule = judge(caught.value)
    assert (rule.error, rule.blames_server) == (InvalidRequestError, False), (response.status, caught.value.message)
    with Client(server.http_url) as client:
        assert client.live()
