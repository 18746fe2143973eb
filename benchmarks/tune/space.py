"""What a built repository offers to vary: every setting that makes sense on this machine."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tritonkit.spec.tuning import Setting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.tune.built import BuiltVariant

AXES = (
    "variant",
    "instances",
    "threads",
    "max_batch_size",
    "max_queue_delay_microseconds",
    "preprocess_instances",
)
"""The fields of `Setting`, in the order in which they are varied."""

DELAYS_MICROSECONDS = (0, 2000, 10_000)
_MOST_INSTANCES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The settings to choose among: the product of the axes.

    Attributes:
        axes: the values of each field of `Setting`, ascending where they are numbers.
        own: the setting that the build has; it lies on the axes.
    """

    axes: Mapping[str, tuple[str | int | None, ...]]
    own: Setting

    @property
    def size(self) -> int:
        """How many settings there are."""
        size = 1
        for values in self.axes.values():
            size *= len(values)
        return size

    def settings(self) -> Iterator[Setting]:
        """All of them."""
        for values in itertools.product(*(self.axes[name] for name in AXES)):
            yield Setting.model_validate(dict(zip(AXES, values, strict=True)))


def make_space(variants: Mapping[str, BuiltVariant], own: Setting, *, cores: int) -> Space:
    """The space that `variants` span on a machine with so many cores.

    Instances and threads go up to the number of cores, in powers of two and in it itself; three instances are
    looked at besides, since steps of the pipeline need cores too. Batches go up to the one that was built, which the
    engine of a compiled variant cannot exceed. The build's own values are always among the choices; what its variant
    does not have, and another one has, takes the first choice there, which changes nothing.
    """
    upto = _powers(min(cores, _MOST_INSTANCES))
    threads = any(variant.has_threads for variant in variants.values())
    steps = any(variant.preprocess is not None for variant in variants.values())
    largest = own.max_batch_size
    axes: dict[str, tuple[str | int | None, ...]] = {
        "variant": tuple(variants),
        "instances": _with(own.instances, {*upto, min(cores + 1, 3)}),
        "threads": _with(own.threads, upto) if threads else (None,),
        "max_batch_size": _with(largest, {1, max(1, largest // 4)}),
        "max_queue_delay_microseconds": _with(own.max_queue_delay_microseconds, DELAYS_MICROSECONDS),
        "preprocess_instances": _with(own.preprocess_instances, upto) if steps else (None,),
    }
    missing = {name: axes[name][0] for name in ("threads", "preprocess_instances") if getattr(own, name) is None}
    return Space(axes=axes, own=own.model_copy(update=missing))


def _powers(most: int) -> set[int]:
    return {1 << i for i in range(most.bit_length()) if 1 << i <= most} | {most}


def _with(own: int | None, values: set[int] | tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted({*values, *([own] if own is not None else [])}))
