"""Blocks of memory that a server on the same machine can map too."""

from __future__ import annotations

import base64
import os
import secrets
from multiprocessing.shared_memory import SharedMemory
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .messages import Action

if TYPE_CHECKING:
    from .codec import Content
    from .options import Memory

# Ours among those of others, so that an administrator can tell whose a forgotten one is.
_PREFIX = "tritonkit_client_"


class Block(Protocol):
    """One block."""

    name: str
    size: int
    register: Action
    unregister: Action

    def registration(self) -> dict[str, Any]:
        """What the server must know to map it."""
        ...

    def write(self, offset: int, content: Content) -> None:
        """Copies `content` into it, from byte `offset` on."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """A copy of `size` bytes from byte `offset` on."""
        ...

    def free(self) -> None:
        """Gives the memory back; the server's mapping keeps it until it is unregistered."""
        ...


class SystemBlock:
    """POSIX shared memory."""

    register = Action.REGISTER_SYSTEM_REGION
    unregister = Action.UNREGISTER_SYSTEM_REGION

    def __init__(self, size: int) -> None:
        self.name = f"{_PREFIX}{os.getpid()}_{secrets.token_hex(8)}"
        self.size = size
        self._memory = SharedMemory(self.name, create=True, size=size)
        self._view = np.ndarray((size,), np.uint8, buffer=self._memory.buf)

    def registration(self) -> dict[str, Any]:
        """See `Block.registration`."""
        return {"name": self.name, "key": f"/{self.name}", "offset": 0, "byte_size": self.size}

    def write(self, offset: int, content: Content) -> None:
        """See `Block.write`."""
        self._view[offset : offset + len(content)] = np.frombuffer(content, np.uint8)

    def read(self, offset: int, size: int) -> bytes:
        """See `Block.read`."""
        return self._view[offset : offset + size].tobytes()

    def free(self) -> None:
        """See `Block.free`."""
        # The mapping cannot be closed while an array looks at it.
        del self._view
        self._memory.close()
        self._memory.unlink()


class CudaBlock:
    """Memory of GPU 0, through tritonclient's CUDA module."""

    register = Action.REGISTER_CUDA_REGION
    unregister = Action.UNREGISTER_CUDA_REGION

    def __init__(self, size: int) -> None:
        from tritonclient.utils import cuda_shared_memory  # noqa: PLC0415 - needs a GPU and cuda-python

        self._cuda = cuda_shared_memory
        self.name = f"{_PREFIX}{os.getpid()}_{secrets.token_hex(8)}"
        self.size = size
        self._handle = cuda_shared_memory.create_shared_memory_region(self.name, size, 0)

    def registration(self) -> dict[str, Any]:
        """See `Block.registration`."""
        handle = base64.b64decode(self._cuda.get_raw_handle(self._handle))
        return {"name": self.name, "raw_handle": handle, "device_id": 0, "byte_size": self.size}

    def write(self, offset: int, content: Content) -> None:
        """See `Block.write`."""
        self._cuda.set_shared_memory_region(self._handle, [np.frombuffer(content, np.uint8)], offset)

    def read(self, offset: int, size: int) -> bytes:
        """See `Block.read`."""
        array: Any = self._cuda.get_contents_as_numpy(self._handle, np.uint8, [size], offset)
        return bytes(array)

    def free(self) -> None:
        """See `Block.free`."""
        self._cuda.destroy_shared_memory_region(self._handle)


BLOCKS: dict[Memory, type[SystemBlock | CudaBlock]] = {"system": SystemBlock, "cuda": CudaBlock}
