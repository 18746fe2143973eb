"""What the check of training-versus-serving skew found."""

from __future__ import annotations

from pydantic import Field

from tritonkit.spec.document import Document


class Spread(Document):
    """How one figure of each sample is spread over all of them."""

    median: float
    p99: float = Field(description="99th percentile.")
    max: float


class SkewSample(Document):
    """One of the worst samples. Its pictures lie in `skew/` beside build.json."""

    name: str
    pixel: float = Field(description="Largest difference of a pixel, in steps of 255.")
    logit: float = Field(description="Largest difference of an output.")
    top1_changed: bool = Field(description="Whether the first output's largest element is another one.")
    source: str = Field(description="File of the picture that source.transform makes.")
    served: str = Field(description="File of the picture that the served step makes.")
    difference: str = Field(description="File of their absolute difference, amplified.")


class SkewReport(Document):
    """The served preprocessing against `source.transform` on the same bytes, and the network on what both make.

    A sample's difference is the largest of its elements; that of pixels is in steps of 255: the difference of the
    normalised values, times the channel's std, times 255.
    """

    variant: str = Field(description="The variant that answered, in process, about both tensors.")
    data: str = Field(description="Where the samples are from.")
    model: str = Field(description="The served preprocessing.")
    server: str = Field(description="Name and version of the server that ran it.")
    samples: int
    equal: int = Field(description="How many of them show no difference of a pixel at all.")
    pixel: Spread = Field(description="Of pixels, in steps of 255.")
    logit: Spread = Field(description="Of the network's outputs, in their unit.")
    top1_changes: int | None = Field(
        description="Samples whose first output has its largest element elsewhere; none where it is no list of scores."
    )
    max_pixel_difference: float = Field(description="What was allowed, in steps of 255.")
    max_logit_difference: float = Field(description="What was allowed, in the outputs' unit.")
    reason: str | None = Field(None, description="Why the kit's own allowance does not do.")
    amplification: float = Field(description="What differences are multiplied by in the pictures.")
    worst: tuple[SkewSample, ...] = Field(description="The samples that used most of what is allowed, the worst first.")

    def passed(self) -> bool:
        """Whether every sample kept both allowances."""
        return self.pixel.max <= self.max_pixel_difference and self.logit.max <= self.max_logit_difference
