"""Sends inferences whose tensors lie in memory that client and server share, as plans."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, cast

from .codec import numpy_dtype
from .errors import ClientError, InvalidRequestError, UnavailableError
from .forks import generation, guard
from .messages import ControlRequest, InferReply, InferRequest, Region, RequestedOutput, Tensor
from .shared_blocks import BLOCKS, HINTS, Block

if TYPE_CHECKING:
    import threading

    from .attempts import Attempts
    from .metadata import ModelDescription
    from .options import Memory
    from .steps import Plan, Sent, Terms

_ALIGNMENT = 64
_SMALLEST = 65_536


class Regions:
    """The shared blocks of one client: each serves one call at a time, and is used again.

    Args:
        memory: which memory.
        attempts: sends the messages.
    """

    def __init__(self, memory: Memory, attempts: Attempts) -> None:
        self._memory = memory
        self._make = BLOCKS[memory]
        self._attempts = attempts
        self.lock: threading.Lock
        guard(self)
        self._free: list[Block] = []
        self._abandoned: list[Block] = []
        self._generation = generation()

    def send(self, request: InferRequest, description: ModelDescription | None, terms: Terms) -> Plan[Sent]:
        """`Attempts.send` through shared memory: every input, and each output whose size is known beforehand."""
        outputs = _requested(request, description)
        sizes = [*(len(cast("bytes", tensor.content)) for tensor in request.inputs), *(size for _, size in outputs)]
        offsets, total = _offsets(sizes)
        for last in (False, True):
            block = yield from self._take(total, terms)
            placed = _placed(request, outputs, block, offsets)
            try:
                sent = yield from self._attempts.send(placed, terms)
                reply = _fetched(cast("InferReply", sent.reply), placed, block)
            except InvalidRequestError as error:
                # A server that was restarted knows none of the blocks.
                unknown = "find shared memory region" in (error.got or "")
                self._give(block, usable=not unknown)
                if last or not unknown:
                    raise
                self._forget()
                continue
            except ClientError as error:
                # After a deadline or a lost connection the server may still write into the block.
                self._give(block, usable=not (error.retryable or isinstance(error, UnavailableError)))
                raise
            except BaseException:
                self._give(block, usable=False)
                raise
            self._give(block, usable=True)
            return sent._replace(reply=reply)
        raise AssertionError("the second round returns or raises")

    def close(self, terms: Terms) -> Plan[None]:
        """Has the server forget every block, if it can be reached, and frees them."""
        with self.lock:
            blocks, self._free = [*self._free, *self._abandoned], []
            abandoned, self._abandoned = self._abandoned, []
            if self._generation != generation():
                return
        for block in blocks:
            if block not in abandoned:
                block.free()
            try:
                yield from self._attempts.send(
                    ControlRequest(action=block.unregister, body={"name": block.name}), terms
                )
            except ClientError:
                continue

    def _take(self, size: int, terms: Terms) -> Plan[Block]:
        with self.lock:
            if self._generation != generation():
                # The parent's blocks stay the parent's.
                self._free, self._abandoned, self._generation = [], [], generation()
            fitting = next((block for block in self._free if block.size >= size), None)
            outgrown = None
            if fitting is not None:
                self._free.remove(fitting)
                return fitting
            if self._free:
                outgrown = self._free.pop()
        if outgrown is not None:
            outgrown.free()
            yield from self._attempts.send(
                ControlRequest(action=outgrown.unregister, body={"name": outgrown.name}), terms
            )
        try:
            block = self._make(max(_SMALLEST, 1 << (size - 1).bit_length()))
        except OSError as error:
            raise InvalidRequestError(
                "this machine gives no such shared memory", got=str(error), hint=HINTS[self._memory]
            ) from None
        try:
            yield from self._attempts.send(ControlRequest(action=block.register, body=block.registration()), terms)
        except BaseException:
            block.free()
            raise
        return block

    def _give(self, block: Block, *, usable: bool) -> None:
        if not usable:
            block.free()
        with self.lock:
            (self._free if usable else self._abandoned).append(block)

    def _forget(self) -> None:
        with self.lock:
            blocks, self._free, self._abandoned = self._free, [], []
        for block in blocks:
            block.free()


def _requested(request: InferRequest, description: ModelDescription | None) -> list[tuple[RequestedOutput, int]]:
    """The outputs to ask for, each with its size in bytes; 0 where that is not known beforehand."""
    if description is None:
        return [(output, 0) for output in request.outputs]
    wanted = request.outputs or tuple(RequestedOutput(name=name) for name in description.outputs)
    batch = request.inputs[0].shape[0] if description.max_batch_size and request.inputs else None
    return [(output, 0 if output.classes else _size(description, output.name, batch)) for output in wanted]


def _size(description: ModelDescription, name: str, batch: int | None) -> int:
    tensor = description.outputs[name]
    shape = tensor.shape if batch is None else (batch, *tensor.shape[1:])
    if tensor.datatype == "BYTES" or min(shape, default=1) < 0 or description.max_batch_size is None:
        return 0
    return math.prod(shape) * numpy_dtype(tensor.datatype).itemsize


def _offsets(sizes: list[int]) -> tuple[list[int], int]:
    """Where each of `sizes` begins in a block, and the size of the whole."""
    offsets, end = [], 0
    for size in sizes:
        offsets.append(end)
        end += -(-size // _ALIGNMENT) * _ALIGNMENT
    return offsets, max(end, 1)


def _placed(
    request: InferRequest, outputs: list[tuple[RequestedOutput, int]], block: Block, offsets: list[int]
) -> InferRequest:
    """The request with its tensors in `block`; an empty one stays in the message."""
    inputs: list[Tensor] = []
    for tensor, offset in zip(request.inputs, offsets, strict=False):
        content = cast("bytes", tensor.content)
        if not len(content):
            inputs.append(tensor)
            continue
        block.write(offset, content)
        region = Region(name=block.name, offset=offset, byte_size=len(content))
        inputs.append(tensor._replace(content=region))
    placed_outputs = tuple(
        dataclasses.replace(output, region=Region(name=block.name, offset=offset, byte_size=size)) if size else output
        for (output, size), offset in zip(outputs, offsets[len(request.inputs) :], strict=True)
    )
    return request._replace(inputs=tuple(inputs), outputs=placed_outputs)


def _fetched(reply: InferReply, request: InferRequest, block: Block) -> InferReply:
    """The reply with the tensors that the server wrote into `block` copied out: the next call will overwrite them."""
    regions = {output.name: output.region for output in request.outputs if output.region is not None}
    outputs = tuple(
        tensor._replace(content=_read(block, regions[tensor.name], tensor)) if tensor.name in regions else tensor
        for tensor in reply.outputs
    )
    return reply._replace(outputs=outputs)


def _read(block: Block, region: Region, tensor: Tensor) -> bytes:
    size = math.prod(tensor.shape) * numpy_dtype(tensor.datatype).itemsize
    return block.read(region.offset, min(size, region.byte_size))
