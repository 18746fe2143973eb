"""An engine on the GPU at hand: tensors in, tensors out."""

from __future__ import annotations

import importlib
import importlib.util
import threading
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from builder.engines.libraries import load_library
from tritonkit.spec.errors import GateError, KitError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from builder.engines.records import Library

_CUDA = "cuda.bindings.runtime"


def missing_runtime() -> str | None:
    """Why no engine can be run from Python here; `None` where it can, as far as can be told without a GPU."""
    if importlib.util.find_spec("cuda") is None or importlib.util.find_spec("cuda.bindings") is None:
        return "the Python package cuda-bindings is not installed"
    return None


class EngineRunner:
    """A deserialised engine with its context, on the first GPU that this process sees."""

    def __init__(self, library: Library, content: bytes) -> None:
        """Deserialises an engine.

        Args:
            library: whose engine it is.
            content: its bytes, from `engine_cache.read_verified`: deserialising runs them.

        Raises:
            UnavailableError: the library or cuda-bindings is not here.
            GateError: the library refuses the engine, as it does one of another version or GPU.
        """
        if (missing := missing_runtime()) is not None:
            raise UnavailableError(missing, hint="pip install cuda-bindings")
        self._cuda = importlib.import_module(_CUDA)
        self._trt = load_library(library)
        self._lock = threading.Lock()
        self._stream = self._call(self._cuda.cudaStreamCreate())
        logger = self._trt.Logger(self._trt.Logger.ERROR)
        self._runtime = self._trt.Runtime(logger)
        self._engine = self._runtime.deserialize_cuda_engine(content)
        if self._engine is None:
            raise GateError(
                "this TensorRT refuses the engine",
                got=f"{library} {self._trt.__version__}",
                hint="an engine runs only on the version and the kind of GPU that built it",
            )
        self._context = self._engine.create_execution_context()
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        is_input = {name: self._engine.get_tensor_mode(name) == self._trt.TensorIOMode.INPUT for name in names}
        self.inputs = tuple(name for name in names if is_input[name])
        self.outputs = tuple(name for name in names if not is_input[name])
        self._buffers: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> Self:
        """The runner itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Gives the GPU's memory back."""
        for pointer, _ in self._buffers.values():
            self._cuda.cudaFree(pointer)
        self._cuda.cudaStreamDestroy(self._stream)

    def run(self, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs the engine once; calls from several threads take turns.

        Args:
            tensors: by input; shapes within the engine's profile, dtypes as the graph has them.

        Returns:
            Every output by name.

        Raises:
            GateError: a shape is outside the profile.
            KitError: the GPU fails.
        """
        with self._lock:
            for name in self.inputs:
                array = np.ascontiguousarray(tensors[name], dtype=self._dtype(name))
                if not self._context.set_input_shape(name, array.shape):
                    raise GateError("the engine does not take this shape", where=name, got=list(array.shape))
                self._copy(self._buffer(name, array.nbytes), array.ctypes.data, array.nbytes, to_device=True)
            answers = {
                name: np.empty(tuple(self._context.get_tensor_shape(name)), self._dtype(name)) for name in self.outputs
            }
            for name, answer in answers.items():
                self._buffer(name, answer.nbytes)
            if not self._context.execute_async_v3(int(self._stream)):
                raise KitError("the engine did not run", got=", ".join(f"{n} {a.shape}" for n, a in tensors.items()))
            self._call(self._cuda.cudaStreamSynchronize(self._stream))
            for name, answer in answers.items():
                self._copy(answer.ctypes.data, self._buffer(name, answer.nbytes), answer.nbytes, to_device=False)
            return answers

    def _dtype(self, name: str) -> np.dtype[Any]:
        dtype: np.dtype[Any] = np.dtype(self._trt.nptype(self._engine.get_tensor_dtype(name)))
        return dtype

    def _buffer(self, name: str, size: int) -> int:
        """The address on the GPU of at least `size` bytes for the tensor `name`."""
        pointer, held = self._buffers.get(name, (0, -1))
        if held < size:
            if held >= 0:
                self._call(self._cuda.cudaFree(pointer))
            pointer = int(self._call(self._cuda.cudaMalloc(max(size, 1))))
            self._buffers[name] = (pointer, size)
            self._context.set_tensor_address(name, pointer)
        return pointer

    def _copy(self, target: int, source: int, size: int, *, to_device: bool) -> None:
        kinds = self._cuda.cudaMemcpyKind
        kind = kinds.cudaMemcpyHostToDevice if to_device else kinds.cudaMemcpyDeviceToHost
        self._call(self._cuda.cudaMemcpy(target, source, size, kind))

    def _call(self, answer: tuple[Any, ...]) -> Any:
        """The value of a CUDA call, which answers (error,) or (error, value)."""
        code = answer[0]
        if code != self._cuda.cudaError_t.cudaSuccess:
            raise UnavailableError("CUDA does not work here", got=code.name, hint="an engine runs on a GPU")
        return answer[1] if len(answer) > 1 else None
