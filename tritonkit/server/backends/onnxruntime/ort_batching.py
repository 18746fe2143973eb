"""Requests that arrive together -> one feed; one answer -> a part for each request. Pure numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ort_config import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Feed = dict[str, "np.ndarray[Any, Any]"]

_NUMPY_TYPES = {"TYPE_FP32": np.float32}


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchInput:
    """A tensor that the backend makes from the shapes of a batch's requests.

    Attributes:
        targets: the model's inputs that it becomes.
        kind: Triton's `BatchInput.Kind`.
        dtype: float32 for TYPE_FP32, else int32: as the C++ backend fills it.
        source: the input whose shapes count.
    """

    targets: tuple[str, ...]
    kind: str
    dtype: Any
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScatteredOutput:
    """An output whose flat data is dealt out by the shapes of an input.

    Attributes:
        source: that input.
        dims: the output's configured shape with the batch dimension; -1 takes the input's.
    """

    source: str
    dims: tuple[int, ...]


def batch_inputs(config: Mapping[str, Any]) -> tuple[BatchInput, ...]:
    """The batch inputs of a model configuration."""
    return tuple(
        BatchInput(
            targets=tuple(entry.get("target_name", ())),
            kind=entry.get("kind", "BATCH_ELEMENT_COUNT"),
            dtype=_NUMPY_TYPES.get(entry.get("data_type", ""), np.int32),
            source=entry["source_input"][0],
        )
        for entry in config.get("batch_input", ())
    )


def scattered_outputs(config: Mapping[str, Any]) -> dict[str, ScatteredOutput]:
    """The batch outputs of a model configuration, by name."""
    batched = (-1,) if int(config.get("max_batch_size", 0)) > 0 else ()
    dims = {
        entry["name"]: tuple(int(dim) for dim in entry["reshape"].get("shape", ()))
        if "reshape" in entry
        else tuple(int(dim) for dim in entry["dims"])
        for entry in config.get("output", ())
    }
    return {
        name: ScatteredOutput(source=entry["source_input"][0], dims=(*batched, *dims.get(name, ())))
        for entry in config.get("batch_output", ())
        for name in entry["target_name"]
    }


def join(feeds: Sequence[Feed], ragged: frozenset[str]) -> Feed:
    """One feed for all requests: along the batch dimension, or flat for a ragged input.

    A single request's arrays are handed on as they are, without a copy.
    """
    if len(feeds) == 1:
        only = feeds[0]
        return {name: array.reshape(-1) if name in ragged else array for name, array in only.items()}
    return {
        name: np.concatenate([feed[name].reshape(-1) if name in ragged else feed[name] for feed in feeds])
        for name in feeds[0]
    }


def batch_input_array(batch_input: BatchInput, feeds: Sequence[Feed]) -> np.ndarray[Any, Any]:
    """The tensor of `batch_input` for these requests (`BackendInputCollector` of Triton's backend library)."""
    shapes = [feed[batch_input.source].shape for feed in feeds]
    counts = [int(np.prod(shape)) for shape in shapes]
    if batch_input.kind == "BATCH_ELEMENT_COUNT":
        return np.array(counts, batch_input.dtype)
    if batch_input.kind == "BATCH_ACCUMULATED_ELEMENT_COUNT":
        return np.cumsum(counts).astype(batch_input.dtype)
    if batch_input.kind == "BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO":
        return np.concatenate([[0], np.cumsum(counts)]).astype(batch_input.dtype)
    if batch_input.kind == "BATCH_MAX_ELEMENT_COUNT_AS_SHAPE":
        return np.zeros(max(counts), batch_input.dtype)
    items = np.array([shape[1:] for shape in shapes for _ in range(shape[0])], batch_input.dtype)
    return items if batch_input.kind == "BATCH_ITEM_SHAPE" else items.reshape(-1)


def split(name: str, array: np.ndarray[Any, Any], sizes: Sequence[int]) -> list[np.ndarray[Any, Any]]:
    """The part of each request, as views.

    Raises:
        RefusedError: the model's answer has fewer rows than the requests together.
    """
    if len(sizes) == 1 and array.shape[:1] == (sizes[0],):
        return [array]
    total = sum(sizes)
    if array.shape[0] < total:
        raise RefusedError(
            f"failed to split the output tensor '{name}' in responses: expected batch size of at least {total} "
            f"in model output, got {array.shape[0]}"
        )
    parts = []
    start = 0
    for size in sizes:
        parts.append(array[start : start + size])
        start += size
    return parts


def scatter(output: ScatteredOutput, array: np.ndarray[Any, Any], feeds: Sequence[Feed]) -> list[np.ndarray[Any, Any]]:
    """The part of each request of a flat output, shaped like that request's input where the output is free."""
    flat = array.reshape(-1)
    parts = []
    start = 0
    for feed in feeds:
        shape = feed[output.source].shape
        dims = tuple(shape[axis] if dim == -1 else dim for axis, dim in enumerate(output.dims))
        size = int(np.prod(dims))
        parts.append(flat[start : start + size].reshape(dims))
        start += size
    return parts
