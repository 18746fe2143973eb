"""Each call of the client against a real server, over gRPC and over HTTP alike."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from clients import (
    AsyncClient,
    Cancellation,
    CancelledCallError,
    Category,
    Client,
    ClientError,
    DeadlineError,
    InvalidRequestError,
    ModelError,
    NotFoundError,
    SequenceLostError,
    TensorMetadata,
)
from tests.server_counts import eventually, executions

if TYPE_CHECKING:
    from collections.abc import Callable

    from tritonkit.server import TritonServer

pytestmark = pytest.mark.server
ROW = np.arange(4, dtype=np.float32).reshape(1, 4)


def test_health(client: Client) -> None:
    assert (client.live(), client.ready(), client.model_ready("echo"), client.model_ready("echo", "1")) == (True,) * 4
    assert not client.model_ready("nobody")
    assert not client.model_ready("echo", "7")


def test_an_address_without_a_server_is_not_healthy(protocol: str) -> None:
    with Client(f"{protocol}://127.0.0.1:9") as client:
        assert (client.live(), client.ready(), client.model_ready("echo")) == (False,) * 3


def test_metadata(client: Client) -> None:
    assert client.server_metadata().name == "triton"
    metadata = client.metadata("echo")
    assert metadata.inputs == (TensorMetadata(name="x", datatype="FP32", shape=(-1, 4)),)
    assert (metadata.name, metadata.versions, metadata.platform) == ("echo", ("1",), "python")
    assert {entry.name for entry in client.repository_index()} >= {"echo", "sleep"}


def test_both_protocols_tell_the_same_configuration(server: TritonServer) -> None:
    with Client(server.grpc_url) as grpc, Client(server.http_url) as http:
        for model in ("echo", "queued", "sums", "labelled"):
            theirs, ours = http.config(model), grpc.config(model)
            # Over gRPC the message knows fields that are newer than the server.
            assert _less(ours, theirs) == theirs
            assert grpc.metadata(model) == http.metadata(model)


def _less(ours: object, theirs: object) -> object:
    """`ours` without the keys that `theirs` has not."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return {key: _less(ours[key], value) for key, value in theirs.items()}
    if isinstance(ours, list) and isinstance(theirs, list):
        return [_less(a, b) for a, b in zip(ours, theirs, strict=True)]
    return ours


def test_statistics_of_what_happened_in_between(server: TritonServer, client: Client) -> None:
    executions(server, "echo")
    (before,) = client.statistics("echo")
    for _ in range(3):
        client.infer("echo", {"x": np.repeat(ROW, 2, axis=0)})
    executions(server, "echo")
    (after,) = client.statistics("echo")
    between = after.since(before)
    assert (between.success.count, between.inferences, between.fail.count) == (3, 6, 0)
    assert between.compute_infer.ns > 0
    assert len(client.statistics()) > 3


def test_loading_and_unloading(client: Client) -> None:
    client.unload("wide")
    eventually(lambda: not client.model_ready("wide"))
    with pytest.raises(NotFoundError):
        client.infer("wide", {"x": ROW[0]})
    client.load("wide")
    assert client.infer("wide", {"x": ROW[0]})["y"].tolist() == [0, 1, 2, 3]
    with pytest.raises(ClientError):
        client.load("nobody")


def test_request_id_and_version_come_back(client: Client) -> None:
    answer = client.infer("echo", {"x": ROW}, version="1", request_id="a-b-c")
    assert (answer.request_id, answer.version, answer.attempts) == ("a-b-c", "1", 1)
    with pytest.raises(NotFoundError):
        client.infer("echo", {"x": ROW}, version="7")


def test_only_the_outputs_asked_for(client: Client) -> None:
    answer = client.infer("pictures", {"image": b"cat"}, outputs=["score", "label"])
    assert set(answer) == {"score", "label"}
    assert answer.text("label") == [["cat", "dog"]]


def test_classification(client: Client) -> None:
    answer = client.infer("labelled", {"x": np.array([[0.25, 3.0, 1.5], [9, 8, 7]], np.float32)}, classes={"y": 2})
    assert answer.categories("y") == [
        [Category(score=3.0, index=1, label="bee:1"), Category(score=1.5, index=2, label="cat")],
        [Category(score=9.0, index=0, label="ant"), Category(score=8.0, index=1, label="bee:1")],
    ]


@pytest.mark.parametrize("compression", ["gzip", "deflate"])
def test_compression(url: str, protocol: str, proxies: Callable[..., object], compression: str) -> None:
    proxy = proxies(url)
    array = np.zeros(100_000, np.float32)
    with Client(f"{protocol}://127.0.0.1:{proxy.port}", compression=compression) as client:
        assert client.infer("wide", {"x": array})["y"].tolist() == array.tolist()
    print(f"{array.nbytes} bytes of zeros took {proxy.sent} on the wire")
    assert proxy.sent < array.nbytes / 20


def test_priority_parameters_and_headers_are_taken(client: Client) -> None:
    choices = {"priority": 1, "parameters": {"a": "b", "c": True, "d": 3, "e": 0.5}, "headers": {"X-Trace": "1"}}
    assert client.infer("echo", {"x": ROW}, **choices)["y"].tolist() == ROW.tolist()


def test_a_model_that_fails(client: Client) -> None:
    with pytest.raises(ModelError, match="the model is ill") as caught:
        client.infer("ill", {"x": np.ones(1, np.float32)})
    assert (caught.value.attempt, caught.value.retryable, caught.value.model) == (1, False, "ill")


def test_a_bad_picture_is_the_callers_fault(client: Client) -> None:
    with pytest.raises(InvalidRequestError, match="no picture"):
        client.infer("pictures", {"image": b"dog"})


def test_a_deadline_ends_the_call_in_time(client: Client) -> None:
    began = time.monotonic()
    with pytest.raises(DeadlineError) as caught:
        client.infer("sleep", {"x": np.array([[3.0]], np.float32)}, timeout=0.2)
    assert 0.2 <= time.monotonic() - began < 3.0
    assert ("over HTTP the server may still execute" in str(caught.value)) == client._plans.endpoints[0].startswith("h")


def test_cancelling_from_another_thread(client: Client) -> None:
    cancellation = Cancellation()
    threading.Timer(0.15, cancellation.cancel).start()
    began = time.monotonic()
    with pytest.raises(CancelledCallError):
        client.infer("sleep", {"x": np.array([[3.0]], np.float32)}, cancellation=cancellation)
    assert time.monotonic() - began < 3.0
    with pytest.raises(CancelledCallError):
        client.infer("echo", {"x": ROW}, cancellation=cancellation)
    assert client.infer("echo", {"x": ROW}, cancellation=Cancellation())["y"].tolist() == ROW.tolist()


def test_shared_memory(url: str) -> None:
    with Client(url, shared_memory="system") as client:
        for size in (4, 100_000, 7):
            array = np.random.default_rng(size).random(size, dtype=np.float32)
            assert client.infer("wide", {"x": array})["y"].tolist() == array.tolist()
        assert client.infer("echo", {"x": ROW})["y"].tolist() == ROW.tolist()
        assert client.infer("pictures", {"image": b"cat"}).text("label") == [["cat", "dog"]]
        with pytest.raises(ModelError):
            client.infer("ill", {"x": np.ones(1, np.float32)})


def test_streams(server: TritonServer) -> None:
    with Client(server.grpc_url) as client:
        answers = list(client.stream("decoupled", {"x": np.array([5], np.float32)}, request_id="s"))
        assert [float(answer["y"][0]) for answer in answers] == [0, 1, 2, 3, 4]
        assert {answer.request_id for answer in answers} == {"s"}
        assert list(client.stream("decoupled", {"x": np.array([0], np.float32)})) == []
        with pytest.raises(ClientError, match="the model is ill"):
            list(client.stream("decoupled", {"x": np.array([-2], np.float32)}))
        with pytest.raises(InvalidRequestError, match="use stream"):
            client.infer("decoupled", {"x": np.array([1], np.float32)})


ENDLESS = {"x": np.array([1_000_000], np.float32)}
THREE = {"x": np.array([3], np.float32)}


def test_a_stream_that_nobody_reads_ends_at_the_server(server: TritonServer) -> None:
    """The model's one instance is busy with an endless stream: the next is answered only if the server hears."""
    cancellation = Cancellation()
    with Client(server.grpc_url) as client:
        early = client.stream("decoupled", ENDLESS)
        assert float(next(early)["y"][0]) == 0
        early.close()
        assert len(list(client.stream("decoupled", THREE))) == 3
        endless = client.stream("decoupled", ENDLESS, cancellation=cancellation)
        assert float(next(endless)["y"][0]) == 0
        threading.Timer(0.2, cancellation.cancel).start()
        with pytest.raises(CancelledCallError):
            list(endless)
        assert len(list(client.stream("decoupled", THREE))) == 3
        with pytest.raises(DeadlineError):
            list(client.stream("decoupled", ENDLESS, timeout=0.3))
        assert len(list(client.stream("decoupled", THREE))) == 3

    async def main() -> None:
        async with AsyncClient(server.grpc_url) as client:
            stream = client.stream("decoupled", ENDLESS)
            assert float((await anext(stream))["y"][0]) == 0
            await stream.aclose()
            assert len([answer async for answer in client.stream("decoupled", THREE)]) == 3

            async def consume() -> None:
                async for _ in client.stream("decoupled", ENDLESS):
                    pass

            task = asyncio.create_task(consume())
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert len([answer async for answer in client.stream("decoupled", THREE)]) == 3

    asyncio.run(main())


def test_streams_need_grpc(server: TritonServer) -> None:
    with Client(server.http_url) as client, pytest.raises(InvalidRequestError, match="grpc://"):
        list(client.stream("decoupled", {"x": np.array([5], np.float32)}))


def test_sequences(client: Client) -> None:
    def number(value: float) -> dict[str, np.ndarray]:
        return {"x": np.array([[value]], np.float32)}

    with client.sequence("sums") as one:
        assert one.infer(number(1))["y"] == 1
        with client.sequence("sums", sequence_id=42) as other:
            # There is one instance: the other sequence waits for its end in the queue.
            assert one.infer(number(2))["y"] == 3
            assert one.infer(number(3), last=True)["y"] == 6
            assert other.infer(number(10))["y"] == 10
            assert other.infer(number(10), last=True)["y"] == 20
    with pytest.raises(SequenceLostError):
        one.infer(number(1))


def test_asyncio(url: str, protocol: str) -> None:
    async def main() -> None:
        async with AsyncClient(url) as client:
            assert await client.live()
            assert await client.ready()
            assert await client.model_ready("echo")
            assert (await client.metadata("echo")).name == "echo"
            assert (await client.config("echo"))["max_batch_size"] == 8
            assert (await client.statistics("echo"))[0].model == "echo"
            assert await client.repository_index()
            assert (await client.server_metadata()).name == "triton"
            calls = (client.infer("echo", {"x": ROW + number}) for number in range(30))
            answers = await asyncio.gather(*calls)
            assert [float(answer["y"][0, 0]) for answer in answers] == list(range(30))
            with pytest.raises(DeadlineError):
                await client.infer("sleep", {"x": np.array([[1.0]], np.float32)}, timeout=0.1)
            task = asyncio.create_task(client.infer("sleep", {"x": np.array([[1.0]], np.float32)}))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            async with client.sequence("sums") as sequence:
                assert (await sequence.infer({"x": np.array([[4]], np.float32)}, last=True))["y"] == 4
            if protocol == "grpc":
                stream = client.stream("decoupled", {"x": np.array([3], np.float32)})
                assert [float(answer["y"][0]) async for answer in stream] == [0, 1, 2]
            await client.unload("grow")
            await client.load("grow")

    asyncio.run(main())
