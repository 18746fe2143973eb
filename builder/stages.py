"""The stages of a build: what each is told, what it tells, which function does it.

The functions are named, not imported: the process that plans a build imports neither torch nor ONNX Runtime.
"""

from __future__ import annotations

from builder.pipeline import PartNames
from builder.stage import Stage
from tritonkit.spec.gates import LabelledData, SkewGate
from tritonkit.spec.kinds import Preprocess
from tritonkit.spec.model import Document, ModelSpec, Samples, SequenceBatching, Source, TensorSpec, Variant
from tritonkit.spec.parity import ParityReport
from tritonkit.spec.skew import SkewReport
from tritonkit.spec.verdicts import Optimisation, Timing

EXPORT_ERROR = "export_error.json"
"""In the place of the capture's model.onnx, where a network does not export and a variant serves it in torch."""


class CaptureRequest(Document):
    """The parts of a spec that the original weights' answers depend on, and no others: a changed label file or
    queue bound does not capture again.
    """

    source: Source
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    preprocess: Preprocess | None
    samples: Samples
    target: str
    batched: bool
    exports: bool
    served_in_torch: bool
    pixels: bool = False
    sequence_batching: SequenceBatching | None = None


class CaptureResult(Document):
    """Facts about the network."""

    parameters: int
    opset: int | None
    ir_version: int | None
    rows: int
    requests: int


class ConvertRequest(Document):
    """The variant to make."""

    variant: Variant
    target: str
    source: Source
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batched: bool
    threads: int
    preprocess: Preprocess | None = None
    min_agreement: float = 0.95


class ConvertResult(Document):
    """The variant's file, and what was done to get it."""

    bytes: int
    optimisation: Optimisation | None = None


class SpecRequest(Document):
    """The whole spec, and which of its variants."""

    spec: ModelSpec
    variant: Variant


class AssembledPart(Document):
    """A part as it was written."""

    role: str
    name: str
    backend: str
    digest: str
    packages: dict[str, str]


class AssembleResult(Document):
    """The parts of the staged repository."""

    parts: tuple[AssembledPart, ...]

    def names(self) -> PartNames:
        """The parts' names by role."""
        return PartNames(**{part.role: part.name for part in self.parts})

    def requirements(self) -> tuple[str, ...]:
        """What the steps import, as requirements."""
        return tuple(sorted({f"{name}{specifier}" for part in self.parts for name, specifier in part.packages.items()}))


class ServedRequest(Document):
    """What to serve."""

    name: str
    target: str
    requirements: tuple[str, ...]


class ServedResult(Document):
    """What the live server answered, and what it ran on."""

    parity: ParityReport
    packages: dict[str, str]
    load_seconds: float
    proven_at: str


class AccuracyRequest(Document):
    """The labelled samples, and what turns one into what the variant takes."""

    variant: Variant
    data: LabelledData
    source: Source
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    preprocess: Preprocess | None


class AccuracyResult(Document):
    """How many were answered rightly; which, says `right.npy`."""

    source: str
    measured: str
    samples: int
    right: int


class SkewRequest(Document):
    """The real pictures, both preprocessings, and the network that is asked about what they make."""

    gate: SkewGate
    variant: Variant
    source: Source
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    preprocess: Preprocess | None
    batched: bool
    part: str
    target: str
    requirements: tuple[str, ...]


class TimeRequest(Document):
    """What to time, and on what: a result from one machine says nothing of another."""

    inputs: tuple[TensorSpec, ...]
    normalised_in_graph: Preprocess | None = None
    batches: tuple[int, ...]
    threads: int
    hardware: str


class TimeResult(Document):
    """The times, by batch size."""

    timings: tuple[Timing, ...]


# Time limits are for the largest models that people bring; a hang is noticed by its silence in the log before that.
CAPTURE = Stage(
    name="capture", function="builder.capture:capture", request=CaptureRequest, result=CaptureResult, time_limit=3600
)
CONVERT = Stage(
    name="convert", function="builder.variants:convert", request=ConvertRequest, result=ConvertResult, time_limit=3600
)
ARTEFACT = Stage(
    name="artefact",
    function="builder.answers.in_process:prove_artefact",
    request=SpecRequest,
    result=ParityReport,
    time_limit=1800,
)
ACCURACY = Stage(
    name="accuracy",
    function="builder.variants.accuracy:measure_accuracy",
    request=AccuracyRequest,
    result=AccuracyResult,
    time_limit=3600,
)
TIME = Stage(
    name="time", function="builder.variants.timing:time_variant", request=TimeRequest, result=TimeResult, time_limit=600
)
ASSEMBLE = Stage(
    name="assemble", function="builder.assemble:assemble", request=SpecRequest, result=AssembleResult, time_limit=600
)
SERVED = Stage(
    name="served",
    function="builder.prove:prove_served",
    request=ServedRequest,
    result=ServedResult,
    time_limit=1800,
    sources=(*ASSEMBLE.sources, "clients", "tritonkit/server"),
)
SKEW = Stage(
    name="skew",
    function="builder.skew.measure:measure_skew",
    request=SkewRequest,
    result=SkewReport,
    time_limit=1800,
    sources=SERVED.sources,
)
