"""`infer_many`: in order, streaming, with back-pressure, blocking and asyncio alike."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from clients import Answer, AsyncClient, Client, InvalidRequestError
from clients.messages import InferRequest
from clients.testing import AsyncFakeTransport, FakeModel, FakeTransport

if TYPE_CHECKING:
    from collections.abc import Iterator


class Uneven(FakeTransport):
    """Takes longer for some; counts what is in flight."""

    in_flight = most = 0

    def send(self, message: object, exchange: object) -> object:
        if not isinstance(message, InferRequest):
            return FakeTransport.send(self, message, exchange)
        with self._lock:
            self.in_flight += 1
            self.most = max(self.most, self.in_flight)
        time.sleep(0.01 if len(self.requests) % 5 == 0 else 0.001)
        reply = FakeTransport.send(self, message, exchange)
        with self._lock:
            self.in_flight -= 1
        return reply


MODEL = FakeModel(inputs={"x": ("INT64", (1,))}, outputs={"x": ("INT64", (1,))}, answer=lambda inputs: inputs)


def item(number: int) -> dict[str, np.ndarray]:
    return {"x": np.array([number])}


def test_answers_come_in_order_and_at_most_so_many_at_once() -> None:
    transport = Uneven({"m": MODEL})
    client = Client("grpc://fake", transport=transport)
    answers = client.infer_many("m", map(item, range(60)), concurrency=4)
    assert [int(answer["x"][0]) for answer in answers] == list(range(60))
    assert 2 <= transport.most <= 4


def test_an_endless_stream_is_read_only_as_far_as_needed() -> None:
    taken = 0

    def endless() -> Iterator[dict[str, np.ndarray]]:
        nonlocal taken
        for number in itertools.count():
            taken += 1
            yield item(number)

    client = Client("grpc://fake", transport=FakeTransport({"m": MODEL}))
    answers = client.infer_many("m", endless(), concurrency=3)
    for expected in range(20):
        assert int(next(answers)["x"][0]) == expected
        assert taken <= expected + 1 + 2 * 3
    answers.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("triton-client")]


def test_the_first_failure_is_raised_in_its_turn() -> None:
    client = Client("grpc://fake", transport=FakeTransport({"m": MODEL}))
    items = [item(0), item(1), {"x": np.array([1.0])}, item(3)]
    answers = client.infer_many("m", items, concurrency=2)
    assert [int(next(answers)["x"][0]) for _ in range(2)] == [0, 1]
    with pytest.raises(InvalidRequestError):
        next(answers)


def test_or_is_an_item_like_the_others() -> None:
    client = Client("grpc://fake", transport=FakeTransport({"m": MODEL}))
    kinds = [type(outcome) for outcome in client.try_many("m", [item(0), {}, item(2)])]
    assert kinds == [Answer, InvalidRequestError, Answer]


def test_progress_is_one_line_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    client = Client("grpc://fake", transport=FakeTransport({"m": MODEL}))
    list(client.infer_many("m", [item(0), item(1)], progress=True))
    captured = capsys.readouterr()
    assert captured.err.startswith("2/2 answers, ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_asyncio_alike() -> None:
    async def main() -> None:
        client = AsyncClient("grpc://fake", transport=AsyncFakeTransport(FakeTransport({"m": MODEL})))
        numbers = [int(answer["x"][0]) async for answer in client.infer_many("m", map(item, range(30)))]
        assert numbers == list(range(30))

        async def endless() -> object:
            for number in itertools.count():
                yield item(number)

        answers = client.infer_many("m", endless(), concurrency=2)
        assert [int((await anext(answers))["x"][0]) for _ in range(5)] == [0, 1, 2, 3, 4]
        await answers.aclose()
        outcomes = [outcome async for outcome in client.try_many("m", [item(0), {}])]
        assert [type(outcome) for outcome in outcomes] == [Answer, InvalidRequestError]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_a_cancelled_task_leaves_the_client_usable() -> None:
    class Hanging(AsyncFakeTransport):
        hang = True

        async def send(self, message: object, exchange: object) -> object:
            if isinstance(message, InferRequest) and self.hang:
                await asyncio.sleep(60)
            return await AsyncFakeTransport.send(self, message, exchange)

    async def main() -> None:
        transport = Hanging(FakeTransport({"m": MODEL}))
        client = AsyncClient("grpc://fake", transport=transport)
        task = asyncio.create_task(client.infer("m", item(1)))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        transport.hang = False
        assert (await client.infer("m", item(2)))["x"] == 2

    asyncio.run(main())
