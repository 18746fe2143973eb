"""A transport without a server, for tests of code that uses a client.

    from clients import Client
    from clients.testing import FakeModel, FakeTransport

    double = FakeModel(
        inputs={"x": ("FP32", (-1, 2))},
        outputs={"y": ("FP32", (-1, 2))},
        max_batch_size=8,
        answer=lambda inputs: {"y": inputs["x"] * 2},
    )
    client = Client("grpc://fake", transport=FakeTransport({"double": double}))

Requests are checked, encoded and decoded as they are for a real server; only the connection is missing. To see how code
bears a failure, queue one: `transport.fail(Fault(Code.UNAVAILABLE, "Exceeds maximum queue size"))`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from .codec import datatype_of, decode, encode
from .messages import Action, Code, ControlReply, ControlRequest, Fault, InferReply, InferRequest, Tensor

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from numpy.typing import NDArray

    from .codec import Content
    from .messages import Exchange, Message

__all__ = ["AsyncFakeTransport", "Code", "FakeModel", "FakeTransport", "Fault"]

Arrays = Mapping[str, "NDArray[Any]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeModel:
    """A model that is a function.

    Attributes:
        inputs: type and shape of each input, with the batch dimension (-1) where `max_batch_size` is above 0.
        outputs: the same of each output.
        answer: from the inputs as arrays to the outputs; an exception becomes the model's failure.
        max_batch_size: as in the model's configuration.
    """

    inputs: Mapping[str, tuple[str, Sequence[int]]]
    outputs: Mapping[str, tuple[str, Sequence[int]]]
    answer: Callable[[dict[str, NDArray[Any]]], Arrays]
    max_batch_size: int = 0


@dataclass(slots=True)
class FakeTransport:
    """Answers from `models`.

    Attributes:
        models: by name.
        requests: every message that was sent, in order.
    """

    models: Mapping[str, FakeModel]
    requests: list[Message] = field(default_factory=list)
    _faults: deque[Fault] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, *faults: Fault) -> None:
        """Has the next inferences fail, one for each fault."""
        with self._lock:
            self._faults.extend(faults)

    def send(self, message: Message, exchange: Exchange) -> InferReply | ControlReply:
        """See `Transport.send`."""
        del exchange  # nothing takes time here
        with self._lock:
            self.requests.append(message)
            if isinstance(message, InferRequest) and self._faults:
                raise self._faults.popleft()
        if message.model and message.model not in self.models:
            raise Fault(Code.NOT_FOUND, f"Request for unknown model: '{message.model}' is not found")
        if isinstance(message, InferRequest):
            return _infer(self.models[message.model], message)
        return self._control(message)

    def stream(self, request: InferRequest, exchange: Exchange) -> Generator[InferReply]:
        """One answer, from the same function."""
        yield cast("InferReply", self.send(request, exchange))

    def rest(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""

    def _control(self, request: ControlRequest) -> ControlReply:
        match request.action:
            case Action.LIVE | Action.READY | Action.MODEL_READY:
                return {"ready": True}
            case Action.SERVER_METADATA:
                return {"name": "fake", "version": "0", "extensions": []}
            case Action.MODEL_METADATA:
                return _metadata(request.model, self.models[request.model])
            case Action.MODEL_CONFIG:
                return {"name": request.model, "max_batch_size": self.models[request.model].max_batch_size}
            case Action.REPOSITORY_INDEX:
                return {"models": [{"name": name, "version": "1", "state": "READY"} for name in self.models]}
            case _:
                return {}


class AsyncFakeTransport:
    """`FakeTransport` for an `AsyncClient`.

    Args:
        transport: what answers.
    """

    def __init__(self, transport: FakeTransport) -> None:
        self._transport = transport

    async def send(self, message: Message, exchange: Exchange) -> InferReply | ControlReply:
        """See `AsyncTransport.send`."""
        return self._transport.send(message, exchange)

    async def stream(self, request: InferRequest, exchange: Exchange) -> AsyncGenerator[InferReply]:
        """One answer, from the same function."""
        for reply in self._transport.stream(request, exchange):
            yield reply

    async def rest(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""


def _metadata(name: str, model: FakeModel) -> ControlReply:
    def tensors(signature: Mapping[str, tuple[str, Sequence[int]]]) -> list[dict[str, Any]]:
        return [
            {"name": tensor, "datatype": datatype, "shape": list(shape)}
            for tensor, (datatype, shape) in signature.items()
        ]

    return {
        "name": name,
        "versions": ["1"],
        "platform": "fake",
        "inputs": tensors(model.inputs),
        "outputs": tensors(model.outputs),
    }


def _infer(model: FakeModel, request: InferRequest) -> InferReply:
    inputs = {
        tensor.name: decode(cast("Content", tensor.content), tensor.datatype, tensor.shape) for tensor in request.inputs
    }
    try:
        outputs = model.answer(inputs)
    except Exception as error:  # noqa: BLE001 - as a real server reports whatever its model raises
        raise Fault(Code.INTERNAL, f"{type(error).__name__}: {error}") from None
    wanted = [output.name for output in request.outputs] or list(outputs)
    return InferReply(
        model=request.model,
        version=request.version or "1",
        request_id=request.request_id,
        outputs=tuple(_tensor(name, outputs[name]) for name in wanted),
    )


def _tensor(name: str, array: NDArray[Any]) -> Tensor:
    datatype = datatype_of(array.dtype) or ""
    return Tensor(name=name, datatype=datatype, shape=array.shape, content=bytes(encode(array, datatype)))
