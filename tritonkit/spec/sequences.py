"""Stateful models: Triton's `sequence_batching` with implicit state."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from tritonkit.spec.document import Document
from tritonkit.spec.tensors import TensorName, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Iterable


class SequenceState(Document):
    """One implicit state: what a step gives as `output_name` is what the sequence's next step gets as `input_name`.

    A sequence begins with zeros.
    """

    input_name: TensorName = Field(description="Input of the network that Triton fills; its dims are fixed.")
    output_name: TensorName = Field(
        description="Output of the network that Triton keeps; of the input's type and dims."
    )


class OldestSequences(Document):
    """Triton's strategy `oldest`: a batch holds the oldest request of each of several sequences."""

    max_candidate_sequences: int = Field(
        128,
        ge=1,
        description="Sequences that an instance works on at once; a further one waits until one of them ends.",
    )
    preferred_batch_size: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (), description="Batch sizes that are sent on at once; empty leaves the choice to Triton."
    )
    max_queue_delay_microseconds: int = Field(
        0, ge=0, description="How long a request may wait for those of other sequences."
    )


class SequenceBatching(Document):
    """Triton's `sequence_batching`: the requests of a sequence go to one instance, in their order, with a state."""

    max_sequence_idle_microseconds: int = Field(
        ge=1,
        description="How long a sequence may be silent before it is let go, as when its client has vanished. Longer "
        "than any client's pause between two steps.",
    )
    oldest: OldestSequences = Field(OldestSequences(), description="How sequences share an instance.")
    state: tuple[SequenceState, ...] = Field(min_length=1, description="What is kept from one step to the next.")

    @model_validator(mode="after")
    def _states_are_apart(self) -> Self:
        names = Counter(name for state in self.state for name in (state.input_name, state.output_name))
        twice = [name for name, count in names.items() if count > 1]
        if twice:
            raise ValueError(f"state: {twice[0]} is named twice; each state has an input and an output of its own")
        return self

    def input_names(self) -> frozenset[str]:
        """The network's inputs that Triton fills."""
        return frozenset(state.input_name for state in self.state)

    def output_names(self) -> frozenset[str]:
        """The network's outputs that Triton keeps."""
        return frozenset(state.output_name for state in self.state)


def check_states(batching: SequenceBatching, inputs: Iterable[TensorSpec], outputs: Iterable[TensorSpec]) -> None:
    """Holds the states against the network's tensors.

    Raises:
        ValueError: a state is no input and output of one type and one fixed shape, or nothing else is left.
    """
    taken = {tensor.name: tensor for tensor in inputs}
    given = {tensor.name: tensor for tensor in outputs}
    for state in batching.state:
        before, after = taken.get(state.input_name), given.get(state.output_name)
        if before is None or after is None:
            side, name = ("inputs", state.input_name) if before is None else ("outputs", state.output_name)
            raise ValueError(f"serving.sequence_batching.state: {side} have no {name}")
        if (before.data_type, before.dims) != (after.data_type, after.dims) or -1 in before.dims:
            raise ValueError(
                f"serving.sequence_batching.state: {before.name} is {before.data_type} {list(before.dims)} and "
                f"{after.name} is {after.data_type} {list(after.dims)}; a state has one type and one fixed shape"
            )
    if taken.keys() <= batching.input_names() or given.keys() <= batching.output_names():
        raise ValueError("serving.sequence_batching.state: a client must send an input and get an output besides")
