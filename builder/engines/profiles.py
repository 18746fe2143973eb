"""Optimisation profiles: which shapes an engine takes, and the one that it is fastest at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.engines.graph import EngineGraph, GraphInput

Shape = tuple[int, ...]
Profile = dict[str, tuple[Shape, Shape, Shape]]
"""By input: smallest, optimal and largest shape. Inputs of a fixed shape are not in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DimRange:
    """Sizes of one free dimension: an engine takes `minimum` to `maximum` and is tuned for `optimum`."""

    minimum: int
    optimum: int
    maximum: int

    def __post_init__(self) -> None:
        if not 1 <= self.minimum <= self.optimum <= self.maximum:
            raise InputError(
                "these are no sizes of a dimension",
                got=f"{self.minimum}, {self.optimum}, {self.maximum}",
                expected="1 <= minimum <= optimum <= maximum",
            )


def batch_range(max_batch_size: int, optimum: int | None = None) -> DimRange:
    """1 to `max_batch_size`, tuned for `optimum`; for the full batch if nobody says, where throughput is made."""
    return DimRange(minimum=1, optimum=optimum or max_batch_size, maximum=max_batch_size)


def make_profile(graph: EngineGraph, batch: DimRange | None, free: Mapping[str, DimRange]) -> Profile:
    """The profile of `graph`.

    Args:
        graph: the graph.
        batch: sizes of the first dimension of every input; `None` where the model is served without batching.
        free: sizes of the other free dimensions, by the graph's own symbol or by `INPUT.AXIS`, the batch counted.

    Raises:
        InputError: a free dimension has no range, a range names no dimension, or the batch is fixed in the graph.
    """
    unused = set(free)
    profile: Profile = {}
    for tensor in graph.inputs:
        ranges = [_range(graph, tensor, axis, batch, free) for axis in range(len(tensor.dims))]
        unused -= {key for axis in range(len(tensor.dims)) for key in _keys(tensor, axis)}
        if any(isinstance(dim, str) for dim in tensor.dims):
            profile[tensor.name] = (
                tuple(one.minimum for one in ranges),
                tuple(one.optimum for one in ranges),
                tuple(one.maximum for one in ranges),
            )
    if unused:
        raise InputError(
            "a range is given for a dimension that is not there",
            where=graph.path,
            got=", ".join(sorted(unused)),
            expected=", ".join(sorted(_free_names(graph, batched=batch is not None))) or "no range",
        )
    return profile


def _keys(tensor: GraphInput, axis: int) -> tuple[str, str]:
    return str(tensor.dims[axis]), f"{tensor.name}.{axis}"


def _range(
    graph: EngineGraph, tensor: GraphInput, axis: int, batch: DimRange | None, free: Mapping[str, DimRange]
) -> DimRange:
    dim = tensor.dims[axis]
    is_batch = batch is not None and axis == 0
    if isinstance(dim, int):
        if is_batch:
            raise InputError(
                f"the batch of input {tensor.name} is fixed in the graph, so it cannot be served in batches",
                where=graph.path,
                got=f"[{', '.join(map(str, tensor.dims))}]",
                hint="export it with a free first dimension, or serve it with max_batch_size 0",
            )
        return DimRange(minimum=dim, optimum=dim, maximum=dim)
    if batch is not None and axis == 0:
        return batch
    symbol, place = _keys(tensor, axis)
    found = free.get(place) or (free.get(symbol) if symbol != "?" else None)
    if found is None:
        raise InputError(
            f"nobody says which sizes dimension {axis} of input {tensor.name} takes",
            where=graph.path,
            got=symbol,
            hint=f"give it a range, e.g. {place}=128,256,512 (smallest, optimal, largest)",
        )
    return found


def _free_names(graph: EngineGraph, *, batched: bool) -> set[str]:
    return {
        f"{tensor.name}.{axis}"
        for tensor in graph.inputs
        for axis, dim in enumerate(tensor.dims)
        if isinstance(dim, str) and not (batched and axis == 0)
    }
