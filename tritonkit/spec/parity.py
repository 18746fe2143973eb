"""What a comparison of answers found."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tritonkit.spec.golden import Level
from tritonkit.spec.model import Document, Tolerance

Protocol = Literal["in process", "grpc", "http"]


class Comparison(Document):
    """One output of one model, over all samples, at one batch size, by one way in."""

    level: Level = Field(description="What is held against what.")
    model: str = Field(description="The model that answered.")
    output: str = Field(description="The output tensor.")
    protocol: Protocol = Field(description="How it was asked.")
    batch: int = Field(description="Samples in a request.")
    samples: int = Field(description="How many samples were compared.")
    worst_absolute: float = Field(description="Largest |got - want|; 1 for a text that differs, else 0.")
    worst_relative: float = Field(description="Largest |got - want| / |want|, where want is not 0.")
    least_cosine: float = Field(description="Least cosine between a sample's answer and its reference.")
    top1_agreement: float | None = Field(description="Part of the samples whose largest element is the same one.")
    used: float = Field(description="Largest |got - want| / allowed: above 1 is a failure.")
    tolerance: Tolerance | None = Field(description="What was allowed; none is exact equality.")
    worst_sample: str = Field(description="The sample that `used` is about.")
    passed: bool
    problem: str | None = Field(None, description="Why not: which sample, which element, got and allowed.")


class ParityReport(Document):
    """Every comparison of one run."""

    schema_version: Literal[1] = 1
    name: str = Field(description="The served name.")
    variant: str = Field(description="The variant behind it.")
    passed: bool
    asked: str = Field(description="What answered: `in process`, or the URLs.")
    server: str = Field(description="Version of the server or of the library that answered.")
    not_offered: dict[Protocol, str] = Field(
        {}, description="Protocols over which nothing could be asked, and why: Triton streams over gRPC alone."
    )
    comparisons: tuple[Comparison, ...]

    def first_problem(self) -> Comparison | None:
        """The comparison that failed first, in the order of the pipeline."""
        return next((comparison for comparison in self.comparisons if not comparison.passed), None)
