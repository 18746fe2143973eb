"""A live Triton, asked in sequences and as streams: what one request with one answer cannot ask."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from builder.answers.served import AT_ONCE, compare_output, expected_rows, input_rows, what_was_asked
from builder.parity import compare

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from builder.golden import Golden
    from clients import Client
    from tritonkit.spec.golden import Question
    from tritonkit.spec.parity import Comparison, Protocol

Arrays = dict[str, np.ndarray]


def replay_sequences(golden: Golden, client: Client, protocol: Protocol) -> list[Comparison]:
    """Sends every sequence of `golden` step by step, several at once, so that their steps meet in one batch."""

    def walk(question: Question, sequence: Mapping[str, np.ndarray]) -> Arrays:
        steps = len(next(iter(sequence.values())))
        answers = []
        with client.sequence(question.model) as live:
            for step in range(steps):
                now = {name: array[step][None] for name, array in sequence.items()}
                answers.append(live.infer(now, last=step == steps - 1, outputs=tuple(question.outputs)))
        return {name: np.concatenate([answer[name] for answer in answers]) for name in question.outputs}

    return [
        comparison
        for question in golden.bundle.questions
        if question.way == "sequence"
        for comparison in _ask_samples(golden, question, 1, walk, protocol)
    ]


def replay_streams(golden: Golden, client: Client) -> list[Comparison]:
    """Sends every request of `golden` that is answered by a stream, over gRPC: Triton streams over no other protocol.

    All answers count, and their order.
    """

    def listen(question: Question, request: Mapping[str, np.ndarray]) -> Arrays:
        answers = list(client.stream(question.model, request, outputs=tuple(question.outputs)))
        return {name: np.array([answer[name] for answer in answers]) for name in question.outputs}

    return [
        comparison
        for question in golden.bundle.questions
        if question.way == "stream"
        for comparison in _ask_samples(golden, question, 0, listen, "grpc")
    ]


def _ask_samples(
    golden: Golden,
    question: Question,
    batch: int,
    ask: Callable[[Question, Mapping[str, np.ndarray]], Arrays],
    protocol: Protocol,
) -> list[Comparison]:
    inputs = {name: input_rows(golden, asked) for name, asked in question.inputs.items()}
    samples = [{name: rows[index] for name, rows in inputs.items()} for index in range(len(question.samples))]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda sample: ask(question, sample), samples))
    return [
        _compare(golden, question, batch, protocol, name, [answer[name] for answer in answers])
        for name in question.outputs
    ]


def _compare(
    golden: Golden, question: Question, batch: int, protocol: Protocol, output: str, answers: Sequence[np.ndarray]
) -> Comparison:
    want = expected_rows(golden, question.outputs[output])
    odd = next((index for index, array in enumerate(answers) if array.shape != want.shape[1:]), None)
    if odd is None:
        return compare_output(golden, question, batch, protocol, output, np.stack(answers))
    # Answers that are too few or too many cannot be put beside the others; the first sample that has them stands for all.
    asked = what_was_asked(question, batch, protocol, output)
    found = compare(replace(asked, samples=(question.samples[odd],)), answers[odd][None], want[odd][None], None)
    problem = f"{question.samples[odd]}: {_counted(answers[odd])}, expected {_counted(want[odd])}"
    return found.model_copy(update={"problem": problem})


def _counted(answers: np.ndarray) -> str:
    return f"{len(answers)} answers of shape {list(answers.shape[1:])}"
