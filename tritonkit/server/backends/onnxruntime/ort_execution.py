"""Runs requests through a session: feeds in, one run, answers out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnxruntime as ort
import ort_bfloat16
import ort_strings
import triton_python_backend_utils as pb_utils
from ort_batching import Feed, batch_input_array, batch_inputs, join, scatter, scattered_outputs, split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from ort_signature import Signature
    from ort_states import StateStore

_BF16_ONNX_TYPE = 16
_SPECIAL_TYPES = {"TYPE_STRING", "TYPE_BF16"}


class Executor:
    """One session with everything about its tensors decided beforehand, so that a request costs little.

    Most models take and give plain numeric tensors and batch along their first dimension; for those `answer` is
    a dictionary, one `run` and a tensor for each output.
    """

    def __init__(
        self,
        *,
        session: Any,
        config: Mapping[str, Any],
        signature: Signature,
        run_options: Any,
        states: StateStore | None,
    ) -> None:
        self._session = session
        self._run_options = run_options
        self._states = states
        self._batching = int(config.get("max_batch_size", 0)) > 0
        self._batch_inputs = batch_inputs(config)
        self._scattered = scattered_outputs(config)
        self._ragged = frozenset(entry["name"] for entry in config["input"] if entry.get("allow_ragged_batch"))
        self._configured = tuple(dict.fromkeys(entry["name"] for entry in config["output"]))
        state_outputs = tuple(state.output for state in states.states) if states is not None else ()
        self._names = list(dict.fromkeys((*self._configured, *state_outputs)))
        taken = signature.inputs | signature.initializers
        self._types = {name: info.data_type for name, info in (taken | signature.outputs).items()}
        self._scalar_inputs = frozenset(name for name, info in taken.items() if not info.dims)
        self._scalar_dims = {
            entry["name"]: tuple(int(dim) for dim in entry["dims"])
            for entry in config["output"]
            if not signature.outputs[entry["name"]].dims
        }
        # A state may name what the model has not: as in the C++ backend, that shows when it is asked.
        self._bfloat16 = "TYPE_BF16" in {self._types.get(name) for name in (*signature.inputs, *self._names)}
        special = {name for name in taken if self._types[name] in _SPECIAL_TYPES} | self._scalar_inputs
        self._plain_inputs = not special
        self._plain_outputs = not self._scalar_dims and not any(
            self._types[name] in _SPECIAL_TYPES for name in self._configured
        )
        self._simple = (
            self._plain_inputs
            and self._plain_outputs
            and states is None
            and not self._ragged
            and not self._batch_inputs
            and not self._scattered
        )

    def answer(self, requests: Sequence[Any]) -> list[Any]:
        """An `InferenceResponse` for each request, in order."""
        feeds = [self._feed(request) for request in requests]
        if self._simple and len(feeds) == 1:
            outputs = self._session.run(self._names, feeds[0], self._run_options)
            return [self._response(requests[0], dict(zip(self._names, outputs, strict=True)))]
        # Triton counts a request's batch by its first input, before ragged inputs are made flat.
        sizes = [next(iter(feed.values())).shape[0] if self._batching else 1 for feed in feeds]
        if self._states is not None:
            self._fill_states(requests, feeds)
        joined = join(feeds, self._ragged)
        for batch_input in self._batch_inputs:
            joined.update(dict.fromkeys(batch_input.targets, batch_input_array(batch_input, feeds)))
        parts = self._parts(self._run(joined), feeds, sizes)
        if self._states is not None:
            self._keep_states(requests, parts)
        return [self._response(request, part) for request, part in zip(requests, parts, strict=True)]

    def _feed(self, request: Any) -> Feed:
        if self._plain_inputs:
            return {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        return {tensor.name(): self._to_runtime(tensor) for tensor in request.inputs()}

    def _to_runtime(self, tensor: Any) -> np.ndarray[Any, Any]:
        name = tensor.name()
        data_type = self._types[name]
        if data_type == "TYPE_BF16":
            array = ort_bfloat16.bits_of(tensor)
        elif data_type == "TYPE_STRING":
            array = ort_strings.to_runtime(tensor.as_numpy())
        else:
            array = tensor.as_numpy()
        return array.reshape(()) if name in self._scalar_inputs else array

    def _run(self, feed: Feed) -> dict[str, np.ndarray[Any, Any]]:
        if self._bfloat16:
            return self._run_bound(feed)
        return dict(zip(self._names, self._session.run(self._names, feed, self._run_options), strict=True))

    def _run_bound(self, feed: Feed) -> dict[str, np.ndarray[Any, Any]]:
        """A run with `OrtValue`s, the only ones that can be BF16."""
        binding = self._session.io_binding()
        for name, array in feed.items():
            value = (
                ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array, _BF16_ONNX_TYPE)
                if self._types[name] == "TYPE_BF16"
                else ort.OrtValue.ortvalue_from_numpy(array)
            )
            binding.bind_ortvalue_input(name, value)
        for name in self._names:
            binding.bind_output(name)
        self._session.run_with_iobinding(binding, self._run_options)
        return {
            name: ort_bfloat16.bits_at(value.data_ptr(), tuple(value.shape()))
            if self._types[name] == "TYPE_BF16"
            else value.numpy()
            for name, value in zip(self._names, binding.get_outputs(), strict=True)
        }

    def _parts(
        self, outputs: dict[str, np.ndarray[Any, Any]], feeds: Sequence[Feed], sizes: Sequence[int]
    ) -> list[dict[str, np.ndarray[Any, Any]]]:
        parts: list[dict[str, np.ndarray[Any, Any]]] = [{} for _ in feeds]
        for name, array in outputs.items():
            if name in self._scattered:
                pieces = scatter(self._scattered[name], array, feeds)
            elif self._batching:
                pieces = split(name, array, sizes)
            else:
                pieces = [array]
            for part, piece in zip(parts, pieces, strict=True):
                part[name] = piece
        return parts

    def _response(self, request: Any, outputs: Mapping[str, np.ndarray[Any, Any]]) -> Any:
        names: Sequence[str] = self._configured
        if len(names) > 1:
            wanted = set(request.requested_output_names())
            names = [name for name in names if name in wanted]
        make: Callable[[str, np.ndarray[Any, Any]], Any] = pb_utils.Tensor if self._plain_outputs else self._to_triton
        return pb_utils.InferenceResponse([make(name, outputs[name]) for name in names])

    def _to_triton(self, name: str, array: np.ndarray[Any, Any]) -> Any:
        if array.ndim == 0:
            array = array.reshape(self._scalar_dims[name])
        if self._types[name] == "TYPE_BF16":
            return pb_utils.Tensor.from_dlpack(name, ort_bfloat16.capsule_of(array))
        if self._types[name] == "TYPE_STRING":
            array = ort_strings.from_runtime(array)
        return pb_utils.Tensor(name, array)

    def _fill_states(self, requests: Sequence[Any], feeds: Sequence[Feed]) -> None:
        assert self._states is not None  # noqa: S101 - the caller looked
        for request, feed in zip(requests, feeds, strict=True):
            self._states.fill(feed, request.correlation_id(), request.flags())

    def _keep_states(self, requests: Sequence[Any], parts: Sequence[Mapping[str, np.ndarray[Any, Any]]]) -> None:
        assert self._states is not None  # noqa: S101 - the caller looked
        for request, part in zip(requests, parts, strict=True):
            self._states.keep(part, request.correlation_id(), request.flags())
        self._states.forget_idle()
