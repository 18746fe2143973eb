"""The golden bundle: questions, the answers of the original weights, and how far a served answer may lie.

A folder `golden/` with `golden.json` (a `GoldenBundle`), `arrays.npz` (every array it names) and `pictures/`.
The build's served gate replays it before a candidate exists; `tritonkit parity` replays the same bundle, without
torch, against any Triton anywhere.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tritonkit.spec.model import Document, Tolerance

Level = Literal["artefact", "preprocess", "served", "end_to_end"]
"""What is held against what.

artefact: the converted model, in process, against the original weights.
preprocess: the served preprocessing against the transform that the weights were evaluated with.
served: the served part against the same file in process; kernel noise only.
end_to_end: request bytes through the live ensemble against the original weights under their own transform.
"""


Way = Literal["request", "sequence", "stream"]
"""How a question is asked.

request: each batch of samples in one request with one answer.
sequence: each sample is a sequence, sent step by step, several of them interleaved; the arrays' second axis counts steps.
stream: each sample is one request; the second axis of the outputs counts the answers that it gets.
"""


class Ask(Document):
    """One input tensor of a question: rows of an array, or the bytes of files."""

    array: str | None = Field(None, description="Key in arrays.npz; its first axis counts samples.")
    files: tuple[str, ...] = Field(
        (), description="Files below golden/ whose bytes are the elements of a BYTES tensor."
    )


class Expect(Document):
    """One output tensor of an answer."""

    array: str | None = Field(None, description="Key in arrays.npz; its first axis counts samples.")
    firm: tuple[tuple[bool, ...], ...] = Field(
        (), description="By sample and element: false where the reference is so near to a tie that it does not bind."
    )
    strings: tuple[tuple[str, ...], ...] = Field((), description="Expected text of a BYTES output, by sample.")
    tolerance: Tolerance | None = Field(None, description="How far off is still equal; none means exactly equal.")
    levels: int | None = Field(
        None, description="The elements are encoded pictures: how many of 255 levels a pixel of them may be off."
    )


class Question(Document):
    """Samples that one model is asked, and what it must answer."""

    level: Level = Field(description="What is held against what.")
    model: str = Field(description="Name of the served model.")
    way: Way = Field("request", description="How it is asked.")
    samples: tuple[str, ...] = Field(description="Name of each sample, in the order of the arrays' first axis.")
    batches: tuple[int, ...] = Field(description="Batch sizes that the samples are asked in.")
    inputs: dict[str, Ask] = Field(description="By name of the input.")
    outputs: dict[str, Expect] = Field(description="By name of the output.")


class GoldenBundle(Document):
    """`golden.json`."""

    schema_version: Literal[1] = 1
    name: str = Field(description="The served name.")
    variant: str = Field(description="The variant behind it.")
    target: str = Field(description="NGC release that it was built for.")
    questions: tuple[Question, ...] = Field(description="In the order in which a pipeline runs.")
