"""The gates of `model.yaml`: what must hold before anything can be published."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from tritonkit.spec.document import Document, FunctionPath


class Tolerance(Document):
    """How far an answer may lie from its reference: |got - want| <= absolute + relative * |want|."""

    absolute: float = Field(ge=0, description="In the unit of the output.")
    relative: float = Field(ge=0, description="As a part of the reference.")
    cosine: float = Field(0.0, ge=-1, le=1, description="Least cosine between an answer and its reference.")
    reason: str | None = Field(None, description="Why the kit's own tolerance does not do; shown in the report.")


class ParityGate(Document):
    """Tolerances that replace the kit's own; each needs its reason."""

    artefact: Tolerance | None = Field(None, description="The converted model against the original weights.")
    preprocess: Tolerance | None = Field(None, description="The served preprocessing against source.transform.")

    @model_validator(mode="after")
    def _reasons(self) -> Self:
        for key in ("artefact", "preprocess"):
            tolerance = getattr(self, key)
            if tolerance is not None and not tolerance.reason:
                raise ValueError(f"{key}: a tolerance of your own needs its `reason`")
        return self


class LabelledData(Document):
    """A labelled data set, whose test split accuracy is measured on."""

    source: FunctionPath = Field(
        description="`module:function` that returns a DataSet with classes, such as "
        "`tritonkit.evaluation.datasets.fashion_mnist:fashion_mnist`; the module is looked for beside model.yaml first. "
        "Of its test split, uint8 samples are pictures for preprocess of kind image, float32 samples the network's input."
    )
    samples: int | None = Field(
        None, ge=100, description="How many samples of the test split, drawn with a fixed seed; all of them without it."
    )


class AccuracyGate(Document):
    """What a variant may cost, against the same network in full precision on the same samples."""

    max_drop_points: float = Field(
        0.5, ge=0, description="Most that accuracy on labelled samples may fall, in percentage points."
    )
    data: LabelledData | None = Field(
        None,
        description="Labelled samples. Each variant's file answers them in process, under the evaluation's transform; "
        "needs a variant in fp32 on backend onnxruntime, which the others are held against.",
    )
    min_agreement: float = Field(
        0.95,
        ge=0,
        le=1,
        description="Where there are no labels: least part of the samples whose likeliest class is the one that full "
        "precision gives.",
    )


MAX_PIXEL_DIFFERENCE = 0.01
"""The kit's own allowance for a pixel, in steps of 255: the rounding of a division is a hundredth of it."""
MAX_LOGIT_DIFFERENCE = 1e-3
"""And for an output: what such a rounding may become on its way through tens of layers."""


class SkewGate(Document):
    """How far the served preprocessing may lie from `source.transform` on real pictures; for preprocess of kind image."""

    source: FunctionPath = Field(
        description="`module:function` that returns a DataSet, whose test split's uint8 pictures are sent as PNG, such as "
        "`tritonkit.evaluation.datasets.fashion_mnist:fashion_mnist`, or yields pairs of a name and a picture: bytes of "
        "a PNG or JPEG file, or uint8 of shape (H, W) or (H, W, 3). The module is looked for beside model.yaml first."
    )
    samples: int = Field(
        1000, ge=1, description="How many: of a test split, drawn with a fixed seed; of what is yielded, the first."
    )
    max_pixel_difference: float = Field(
        MAX_PIXEL_DIFFERENCE,
        ge=0,
        description="Most that a pixel may differ, in steps of 255: the difference of the normalised values, times the "
        "channel's std, times 255.",
    )
    max_logit_difference: float = Field(
        MAX_LOGIT_DIFFERENCE, ge=0, description="Most that an output may differ, in its own unit."
    )
    reason: str | None = Field(None, description="Why the kit's own allowance does not do; shown in the report.")

    @model_validator(mode="after")
    def _reason(self) -> Self:
        wider = self.max_pixel_difference > MAX_PIXEL_DIFFERENCE or self.max_logit_difference > MAX_LOGIT_DIFFERENCE
        if wider and not self.reason:
            raise ValueError("an allowance wider than the kit's own needs its `reason`")
        return self


class Gates(Document):
    """What must hold before anything can be published."""

    parity: ParityGate = Field(ParityGate(), description="Equality of answers.")
    accuracy: AccuracyGate = Field(AccuracyGate(), description="What a variant may cost.")
    skew: SkewGate | None = Field(
        None, description="The served preprocessing against source.transform, on many real pictures."
    )
