"""What became of each variant: what it costs, what it brings, and whether it was accepted."""

from __future__ import annotations

from pydantic import Field

from tritonkit.spec.document import Document


class KeptNode(Document):
    """A node of a 16-bit or INT8 graph that stays in FP32."""

    node: str
    operator: str
    reason: str = Field(description="Why: the value that the format cannot hold, or the place in the sensitivity.")


class LayerNoise(Document):
    """How much noise one layer alone, in INT8, brings into the outputs."""

    node: str
    operator: str
    noise: float = Field(description="Power of the error over power of the signal, mean over the outputs.")


class MixedPoint(Document):
    """How well INT8 agrees with full precision when some layers stay in float."""

    kept: int = Field(description="How many of the most sensitive layers are in float.")
    agreement: float = Field(description="Part of the samples of `held_out` answered as in full precision.")


class Optimisation(Document):
    """What was done to a variant's graph."""

    nodes_before: int = Field(description="Operators of the captured graph.")
    nodes_after: int = Field(description="Operators after the clean-up, before any change of precision.")
    kept: tuple[KeptNode, ...] = Field((), description="What stays in FP32.")
    calibration: str = Field("", description="Where the real samples come from, how many, and the method.")
    agreement: float | None = Field(
        None, description="Part of the samples that nothing was chosen by which are answered as in full precision."
    )
    layers: tuple[LayerNoise, ...] = Field((), description="The sensitivity, the most sensitive first.")
    mixed: tuple[MixedPoint, ...] = Field(
        (), description="The choice of the layers in float; the last point is what was written."
    )


class Timing(Document):
    """How long a variant and full precision take for one batch, side by side in one run."""

    hardware: str = Field(description="What it was measured on.")
    batch: int
    milliseconds: float = Field(description="Median time of a batch.")
    baseline_milliseconds: float = Field(description="The same of full precision.")
    ratio: float = Field(description="baseline / variant: above 1 is faster. Median over the rounds of the run.")
    low: float = Field(description="Lower end of the ratio's 95 % interval.")
    high: float = Field(description="Upper end.")


class Accuracy(Document):
    """Answers on labelled samples, of a variant and of full precision, the same samples."""

    source: str = Field(description="Which samples, in words.")
    measured: str = Field(description="What answered: the variant's file in process, and by which library.")
    samples: int
    accuracy: float = Field(description="Part of the samples answered rightly.")
    accuracy_low: float = Field(description="Lower end of its 95 % interval (Wilson's).")
    accuracy_high: float = Field(description="Upper end.")
    drop_points: float = Field(description="Full precision less the variant, in percentage points.")
    low: float = Field(description="Lower end of the drop's 95 % interval, paired by sample (Agresti and Min's).")
    high: float = Field(description="Upper end.")


class VariantFigures(Document):
    """What was measured of one variant."""

    variant: str
    precision: str
    hardware: str = Field(description="The hardware that it is for, as `Timing.hardware` names it; empty is any.")
    megabytes: float
    parity: bool = Field(description="Whether artefact and served answers were within their tolerance.")
    accuracy: Accuracy | None = Field(None, description="None without labels.")
    agreement: float | None = Field(None, description="Part of real samples answered as in full precision.")
    timings: tuple[Timing, ...] = ()


class Verdict(Document):
    """One row of the table."""

    figures: VariantFigures
    accepted: bool
    reasons: tuple[str, ...] = Field(description="Why not; or what could not be judged here.")
