"""The variants of `model.yaml`: precisions and backends of one network, each with a verdict."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from tritonkit.spec.document import Document, FunctionPath, Name
from tritonkit.spec.gates import Tolerance

Precision = Literal["fp32", "fp16", "bf16", "int8"]
CalibrationMethod = Literal["minmax", "entropy", "percentile"]

LEAST_CALIBRATION_SAMPLES = 500


class Calibration(Document):
    """Real samples that show which values the network's tensors take."""

    name: str = Field(min_length=1, description="Where the samples come from, in words; shown with the verdict.")
    source: FunctionPath = Field(
        description="`module:function`, looked for beside model.yaml first, that yields the samples: PIL images where "
        "preprocess is of kind image, else one mapping of input name to array, without the batch dimension, a sample. "
        "They must not be those that accuracy is measured on."
    )
    samples: int = Field(
        LEAST_CALIBRATION_SAMPLES, ge=LEAST_CALIBRATION_SAMPLES, description="How many of them are read."
    )
    held_out: int = Field(
        200,
        ge=50,
        description="How many more are read and kept apart from calibration: layers are found sensitive, and those that "
        "stay in float are chosen, on them.",
    )
    judged: int = Field(
        200,
        ge=50,
        description="How many more are read, which nothing was calibrated or chosen by: agreement is judged on them.",
    )
    method: CalibrationMethod = Field(
        "entropy",
        description="How a tensor's range follows from its values: the extremes, the range of least divergence, or "
        "the range that holds `percentile` of them.",
    )
    percentile: float = Field(99.999, gt=50, le=100, description="Part of the values kept by `percentile`, in percent.")


class Variant(Document):
    """A candidate: a precision on a backend, verified served under an ensemble of its own."""

    name: Name = Field(description="Name of the variant; part of the model's name in the repository.")
    backend: Literal["onnxruntime", "python"] = Field(
        "onnxruntime",
        description="Triton backend. python runs the network in torch, for one that does not export to ONNX.",
    )
    precision: Precision = Field("fp32", description="Number format of the weights and the arithmetic.")
    device: Literal["cpu", "gpu"] = Field(
        "cpu", description="What it is to run on: decides the scheme of int8, and where its speed can be judged."
    )
    placement: Literal["step", "graph"] = Field(
        "step",
        description="Where a picture is normalised: in the Python step, which then passes float32, or in the network's "
        "graph, so that the step passes uint8 pixels, a quarter of the bytes. For preprocess of kind image.",
    )
    optimise: bool = Field(
        False,
        description="Whether the captured graph is cleaned up first: constants folded, what does nothing removed.",
    )
    dynamic: bool = Field(
        False,
        description="int8 only: activations get their scale from each request, so nothing is calibrated. For "
        "transformers, whose time goes into matrix products.",
    )
    calibration: Calibration | None = Field(
        None,
        description="Real samples: int8 takes its scales from them; fp16 and bf16 look among them for values that the "
        "format cannot hold, besides the samples of parity.",
    )
    keep_float: tuple[str, ...] = Field((), description="Nodes that stay in full precision whatever is found.")
    tolerance: Tolerance | None = Field(
        None, description="In place of the kit's own tolerance for the precision; needs its reason."
    )

    @model_validator(mode="after")
    def _fields_meet_the_precision(self) -> Self:
        if self.precision == "bf16" and self.device == "cpu":
            raise ValueError("bf16 needs `device: gpu`: ONNX Runtime has no BF16 kernels for the CPU")
        if self.dynamic and self.precision != "int8":
            raise ValueError(f"dynamic is about int8; the precision is {self.precision}")
        if self.precision == "int8" and self.dynamic == (self.calibration is not None):
            raise ValueError("int8 needs either `calibration` or `dynamic: true`")
        if self.precision == "fp32" and (self.calibration is not None or self.keep_float):
            raise ValueError("fp32 has nothing to calibrate and no node to keep")
        if self.backend == "python" and (self.precision != "fp32" or self.optimise):
            raise ValueError("backend python runs the network as it was trained: fp32, not optimised")
        if self.placement == "graph" and self.backend != "onnxruntime":
            raise ValueError("placement graph is for backend onnxruntime: it changes the exported graph")
        if self.tolerance is not None and not self.tolerance.reason:
            raise ValueError("tolerance: a tolerance of your own needs its `reason`")
        return self
