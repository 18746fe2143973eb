"""A live Triton, asked what a golden bundle asks: the served half of the proof.

The build's last gate and `tritonkit parity` replay bundles through this one function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from builder.arrays import as_text
from builder.parity import Asked, compare, compare_pictures

if TYPE_CHECKING:
    from builder.golden import Golden
    from tritonkit.spec.golden import Ask, Expect, Question
    from tritonkit.spec.parity import Comparison, Protocol

AskModel = Callable[[str, Mapping[str, np.ndarray], tuple[str, ...]], Mapping[str, np.ndarray]]
"""(model, inputs by name, names of the wanted outputs) -> outputs by name. Raises what its client raises."""

AT_ONCE = 8
"""Requests that are under way at once, so that the batcher really puts strangers into one batch."""


def replay(golden: Golden, ask: AskModel, protocol: Protocol) -> list[Comparison]:
    """Asks every question of `golden` in every one of its batch sizes, and compares the answers.

    Questions that are asked in sequences or as streams are `builder.answers.served_steps`'.

    Args:
        golden: the bundle.
        ask: sends one request and waits for its answer; called from several threads.
        protocol: what `ask` speaks, for the comparisons.
    """
    return [
        comparison
        for question in golden.bundle.questions
        if question.way == "request"
        for batch in question.batches
        for comparison in _ask_question(golden, question, batch, ask, protocol)
    ]


def _ask_question(
    golden: Golden, question: Question, batch: int, ask: AskModel, protocol: Protocol
) -> list[Comparison]:
    count = len(question.samples)
    inputs = {name: input_rows(golden, asked) for name, asked in question.inputs.items()}
    wanted = tuple(question.outputs)

    def send(start: int) -> Mapping[str, np.ndarray]:
        if batch == 0:
            answer = ask(question.model, {name: rows[start] for name, rows in inputs.items()}, wanted)
            return {name: np.asarray(array)[None] for name, array in answer.items()}
        # The last batch is filled up from the front, so that every request really has its size.
        index = np.arange(start, start + batch) % count
        return ask(question.model, {name: rows[index] for name, rows in inputs.items()}, wanted)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(send, range(0, count, max(1, batch))))
    return [
        compare_output(golden, question, batch, protocol, name, np.concatenate([a[name] for a in answers])[:count])
        for name in wanted
    ]


def compare_output(
    golden: Golden, question: Question, batch: int, protocol: Protocol, output: str, got: np.ndarray
) -> Comparison:
    """Compares what was answered to all samples of `question` with what it expects of `output`."""
    expected = question.outputs[output]
    asked = what_was_asked(question, batch, protocol, output)
    if expected.levels is not None:
        return compare_pictures(asked, got, golden.arrays[expected.array or ""], expected.levels)
    firm = np.array(expected.firm, bool) if expected.firm else None
    return compare(asked, as_text(got), expected_rows(golden, expected), expected.tolerance, firm)


def what_was_asked(question: Question, batch: int, protocol: Protocol, output: str) -> Asked:
    """What a comparison of `output` is about."""
    return Asked(
        level=question.level,
        model=question.model,
        output=output,
        protocol=protocol,
        batch=batch,
        samples=question.samples,
    )


def input_rows(golden: Golden, asked: Ask) -> np.ndarray:
    """The values of an input; the first axis counts samples."""
    if asked.array is not None:
        return golden.arrays[asked.array]
    rows = np.empty((len(asked.files), 1), dtype=object)
    rows[:, 0] = [golden.files[name] for name in asked.files]
    return rows


def expected_rows(golden: Golden, expected: Expect) -> np.ndarray:
    """What an output must be; the first axis counts samples."""
    if expected.array is None:
        return np.array(expected.strings, dtype=object)
    return as_text(golden.arrays[expected.array])
