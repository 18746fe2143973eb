"""Sequences of a stateful network: what the weights answer to them whole, and a step at a time with the state handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from builder.samples import read_requests
from tritonkit.spec.dtypes import BY_TRITON
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tritonkit.spec.model import SequenceBatching, TensorSpec

Arrays = dict[str, np.ndarray]


def read_sequences(file: Path, inputs: tuple[TensorSpec, ...]) -> list[Arrays]:
    """The sequences of `samples.requests`, each as arrays of shape (steps, ...) by input of a step.

    Raises:
        InputError: an input is missing, has another shape or data type than the spec says, or fewer steps than another.
    """
    whole = tuple(tensor.model_copy(update={"dims": (-1, *tensor.dims), "free": ()}) for tensor in inputs)
    sequences = read_requests(file, whole)
    for index, sequence in enumerate(sequences):
        steps = {name: len(array) for name, array in sequence.items()}
        if len(set(steps.values())) != 1 or not max(steps.values()):
            raise InputError(
                "samples.requests: the inputs of a sequence have as many steps as one another, at least one",
                where=f"{file}: request {index}",
                got=", ".join(f"{name} {count}" for name, count in steps.items()),
            )
    return sequences


def run_by_steps(
    ask: Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]],
    sequences: Mapping[str, np.ndarray],
    batching: SequenceBatching,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
) -> Arrays:
    """Runs each sequence by itself, step by step, from a state of zeros; as Triton does it, but without Triton.

    Args:
        ask: inputs by name -> outputs by name, the batch dimension first.
        sequences: by input of a step, arrays of shape (sequences, steps, ...).
        batching: names the states.
        inputs: the network's, the states' among them.
        outputs: those that are wanted.

    Returns:
        By wanted output, arrays of shape (sequences, steps, ...).
    """
    count, steps = next(iter(sequences.values())).shape[:2]
    dims = {tensor.name: (tensor.dims, BY_TRITON[tensor.data_type].numpy) for tensor in inputs}
    answers: dict[str, list[np.ndarray]] = {tensor.name: [] for tensor in outputs}
    for sequence in range(count):
        kept = {name: np.zeros((1, *dims[name][0]), dims[name][1]) for name in batching.input_names()}
        for step in range(steps):
            answer = ask({name: array[sequence, step][None] for name, array in sequences.items()} | kept)
            kept = {state.input_name: answer[state.output_name] for state in batching.state}
            for name, collected in answers.items():
                collected.append(answer[name])
    return {
        name: np.concatenate(collected).reshape(count, steps, *collected[0].shape[1:])
        for name, collected in answers.items()
    }
