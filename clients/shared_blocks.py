"""Blocks of memory that a server on the same machine can map too. What fails is an `OSError`, of either memory."""

from __future__ import annotations

import base64
import os
import secrets
from contextlib import contextmanager
from multiprocessing.shared_memory import SharedMemory
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .messages import Action

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        try:
            _reserve(self.name, size)
        except BaseException:
            self._memory.close()
            self._memory.unlink()
            raise
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


def _reserve(name: str, size: int) -> None:
    """Has the kernel set the memory aside now: where it has none at the first touch, it kills the process."""
    file = os.open(f"/dev/shm/{name}", os.O_RDWR)  # noqa: S108 - where POSIX shared memory appears on Linux
    try:
        os.posix_fallocate(file, 0, size)
    finally:
        os.close(file)


class CudaBlock:
    """Memory of GPU 0, through tritonclient's CUDA module."""

    register = Action.REGISTER_CUDA_REGION
    unregister = Action.UNREGISTER_CUDA_REGION

    def __init__(self, size: int) -> None:
        try:
            from tritonclient.utils import cuda_shared_memory  # noqa: PLC0415 - needs a GPU and cuda-python
        except ImportError as error:
            raise OSError(f"CUDA's Python bindings are missing: {error}") from None
        self._cuda = cuda_shared_memory
        self.name = f"{_PREFIX}{os.getpid()}_{secrets.token_hex(8)}"
        self.size = size
        with self._told():
            self._handle = cuda_shared_memory.create_shared_memory_region(self.name, size, 0)

    def registration(self) -> dict[str, Any]:
        """See `Block.registration`."""
        with self._told():
            handle = base64.b64decode(self._cuda.get_raw_handle(self._handle))
        return {"name": self.name, "raw_handle": handle, "device_id": 0, "byte_size": self.size}

    def write(self, offset: int, content: Content) -> None:
        """See `Block.write`."""
        with self._told():
            self._cuda.set_shared_memory_region(self._handle, [np.frombuffer(content, np.uint8)], offset)

    def read(self, offset: int, size: int) -> bytes:
        """See `Block.read`."""
        with self._told():
            array: Any = self._cuda.get_contents_as_numpy(self._handle, np.uint8, [size], offset)
        return bytes(array)

    def free(self) -> None:
        """See `Block.free`."""
        with self._told():
            self._cuda.destroy_shared_memory_region(self._handle)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turns tritonclient's exception into an `OSError`."""
        try:
            yield
        except self._cuda.CudaSharedMemoryException as error:
            raise OSError(f"CUDA: {error}") from None


BLOCKS: dict[Memory, type[SystemBlock | CudaBlock]] = {"system": SystemBlock, "cuda": CudaBlock}

HINTS: dict[Memory, str] = {
    "system": "what is mounted at /dev/shm must have room for the largest requests and their answers",
    "cuda": "shared_memory='cuda' needs a GPU that server and client share, and cuda-python",
}
