"""`model.yaml`: the one file that says what a model is.

Triton's own words and units are used wherever Triton has a word. `load_model_spec` reads the file;
everything after it works on the frozen `ModelSpec`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from tritonkit.spec.document import Document, FunctionPath, Name, Positive
from tritonkit.spec.dtypes import TritonType
from tritonkit.spec.errors import InputError
from tritonkit.spec.gates import AccuracyGate, Gates, ParityGate, Tolerance
from tritonkit.spec.ngc import DEFAULT_RELEASE, release
from tritonkit.spec.variants import Calibration, Variant
from tritonkit.spec.yaml_lines import read_document

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "AccuracyGate",
    "Calibration",
    "ClassificationPostprocess",
    "Document",
    "DynamicBatching",
    "FunctionPath",
    "Gates",
    "ImagePreprocess",
    "InstanceGroup",
    "ModelSpec",
    "Name",
    "ParityGate",
    "PartServing",
    "Positive",
    "QueuePolicy",
    "Samples",
    "Serving",
    "Source",
    "StepServing",
    "TensorSpec",
    "Tolerance",
    "Variant",
    "load_model_spec",
]


class Target(Document):
    """The Triton that must load the repository."""

    triton: str = Field(
        DEFAULT_RELEASE,
        description="NGC release (YY.MM) that must load the repository: bounds opset, IR version, data types, fields.",
    )

    @field_validator("triton")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            return release(value).name
        except InputError as error:
            raise ValueError(f"{error.what}; {error.expected}; {error.hint}") from None


class Source(Document):
    """Where the trained network comes from, and the truth that its preprocessing is held against."""

    factory: FunctionPath = Field(
        description="`module:function` that returns the torch.nn.Module, without weights. The module is looked for "
        "beside model.yaml first."
    )
    weights: str = Field(
        description="State dict: a .safetensors, .pt or .pth file beside model.yaml, or `package:NAME/PATH` for a file "
        "inside an installed package. Never unpickled: read as safetensors or with weights_only=True."
    )
    transform: FunctionPath | None = Field(
        None,
        description="`module:function` that turns a PIL image, as opened, into the network's input (C, H, W): the "
        "evaluation transform that the weights were measured with. The served preprocessing is held against it.",
    )


class TensorSpec(Document):
    """One input or output of the network, without its batch dimension."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")] = Field(description="Name of the tensor.")
    data_type: TritonType = Field(description="Data type in Triton's words, such as TYPE_FP32.")
    dims: tuple[int, ...] = Field(description="Shape without the batch dimension; -1 is free.")

    @model_validator(mode="after")
    def _dims_are_positive_or_free(self) -> Self:
        bad = [dim for dim in self.dims if dim < 1 and dim != -1]
        if bad:
            raise ValueError(f"a dimension is 1 or more, or -1 where it is free; {bad[0]} is neither")
        return self


class QueuePolicy(Document):
    """What a full queue does; Triton's `ModelQueuePolicy`."""

    max_queue_size: int = Field(
        256, ge=0, description="Requests that may wait before new ones are refused (503); 0 is without a bound."
    )


class DynamicBatching(Document):
    """Triton's `dynamic_batching`."""

    preferred_batch_size: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (), description="Batch sizes that are sent on at once; empty leaves the choice to Triton."
    )
    max_queue_delay_microseconds: int = Field(
        0, ge=0, description="How long a request may wait for company. 0 batches only what waits for a busy instance."
    )
    default_queue_policy: QueuePolicy = Field(QueuePolicy(), description="The bound of the queue.")


class InstanceGroup(Document):
    """Triton's `instance_group`: how many copies run, and on what."""

    kind: Literal["KIND_AUTO", "KIND_CPU", "KIND_GPU", "KIND_MODEL"] = Field(
        "KIND_AUTO", description="KIND_AUTO takes a GPU where there is one."
    )
    count: int = Field(1, ge=1, le=256, description="Copies; for each GPU where the kind is one.")


class PartServing(Document):
    """How one part of the ensemble runs."""

    dynamic_batching: DynamicBatching = Field(DynamicBatching(), description="How requests are put together.")
    instance_group: tuple[InstanceGroup, ...] = Field((InstanceGroup(),), description="How many copies run, on what.")


class StepServing(PartServing):
    """How a Python step runs: on the CPU, each instance a process of its own."""

    instance_group: tuple[InstanceGroup, ...] = Field(
        (InstanceGroup(kind="KIND_CPU"),), description="How many processes run the step."
    )


class ImagePreprocess(Document):
    """JPEG or PNG bytes -> the network's input. Every choice that changes a pixel is stated here."""

    kind: Literal["image"] = Field(description="Pictures.")
    resize: int = Field(ge=1, description="Length in pixels that the shorter side is resized to, aspect ratio kept.")
    crop: int = Field(ge=1, description="Side in pixels of the square that is cut from the middle.")
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = Field(
        "bilinear", description="Resampling filter."
    )
    antialias: Literal[True] = Field(
        True, description="Pillow always filters when it makes a picture smaller; a transform that does not, differs."
    )
    channel_order: Literal["RGB", "BGR"] = Field("RGB", description="Order of the channels in the network's input.")
    exif_orientation: Literal["ignore", "apply"] = Field(
        "ignore", description="Whether the rotation that a camera noted is applied; torchvision's loaders ignore it."
    )
    alpha: Literal["drop", "white", "black"] = Field(
        "drop", description="What becomes of transparency: dropped, as `convert('RGB')` does, or laid over a colour."
    )
    mean: tuple[float, float, float] = Field(
        description="Subtracted from each channel, in the order RGB, where a pixel goes from 0 to 1."
    )
    std: tuple[Positive, Positive, Positive] = Field(description="Each channel is divided by it, in the order RGB.")
    max_pixels: int = Field(50_000_000, ge=1, description="A picture with more pixels is refused before it is decoded.")
    serving: StepServing = Field(StepServing(), description="How the step runs.")

    @model_validator(mode="after")
    def _crop_fits(self) -> Self:
        if self.crop > self.resize:
            raise ValueError(f"crop ({self.crop}) is larger than resize ({self.resize}): the square would be padded")
        return self


class ClassificationPostprocess(Document):
    """Logits -> the `top_k` most likely classes: `class_id`, `score` (softmax) and `label`."""

    kind: Literal["classification"] = Field(description="One class of many.")
    top_k: int = Field(5, ge=1, description="Classes in an answer, the likeliest first.")
    labels: str = Field(description="Text file beside model.yaml, one class name a line, in the order of the logits.")
    serving: StepServing = Field(StepServing(), description="How the step runs.")


class Serving(PartServing):
    """How the network itself runs, and which variant the published ensemble calls."""

    variant: Name = Field(description="The variant that the published ensemble calls.")
    max_batch_size: int = Field(ge=1, description="Largest batch of the ensemble and of each of its parts.")
    parameters: dict[str, str] = Field(
        {}, description="Parameters of the backend, such as intra_op_thread_count; always text, as in config.pbtxt."
    )


class Samples(Document):
    """What parity asks besides random tensors."""

    pictures: tuple[str, ...] = Field(
        (), description="Real pictures: files beside model.yaml, or `package:NAME/PATH` inside an installed package."
    )
    random: int = Field(4, ge=1, le=64, description="How many seeded random tensors.")
    seed: int = Field(0, ge=0, description="Seed of the random tensors.")


class ModelSpec(Document):
    """The whole of `model.yaml`."""

    schema_version: Literal[1] = Field(description="Version of this format.")
    name: Name = Field(description="The served name: the ensemble's, and the first part of every other name.")
    description: str = Field("", description="What the model does, for the report.")
    target: Target = Field(Target(), description="What the repository is built for.")
    source: Source = Field(description="Where the trained network comes from.")
    inputs: tuple[TensorSpec, ...] = Field(min_length=1, description="Inputs of the network.")
    outputs: tuple[TensorSpec, ...] = Field(min_length=1, description="Outputs of the network.")
    preprocess: ImagePreprocess = Field(description="What turns a request into the network's input.")
    postprocess: ClassificationPostprocess = Field(description="What turns the network's output into an answer.")
    variants: tuple[Variant, ...] = Field(min_length=1, description="Candidates; each is verified.")
    serving: Serving = Field(description="How the model is served.")
    samples: Samples = Field(Samples(), description="What parity asks.")
    gates: Gates = Field(Gates(), description="What must hold.")
    config: dict[str, Any] = Field(
        {}, description="Anything else of Triton's ModelConfig for the network's part, merged in and checked."
    )

    @model_validator(mode="after")
    def _names_meet(self) -> Self:
        names = [variant.name for variant in self.variants]
        if len(set(names)) != len(names):
            raise ValueError("two variants have one name")
        if self.serving.variant not in names:
            raise ValueError(f"serving.variant is {self.serving.variant!r}; the variants are {', '.join(names)}")
        return self

    @model_validator(mode="after")
    def _kinds_meet_the_tensors(self) -> Self:
        (shape, logits) = (self.inputs[0], self.outputs[0])
        side = self.preprocess.crop
        if len(self.inputs) != 1 or shape.dims != (3, side, side) or shape.data_type != "TYPE_FP32":
            raise ValueError(
                f"preprocess of kind image makes one TYPE_FP32 input with dims [3, {side}, {side}]; "
                f"inputs say {shape.data_type} {list(shape.dims)}"
            )
        if len(self.outputs) != 1 or len(logits.dims) != 1 or logits.data_type != "TYPE_FP32":
            raise ValueError("postprocess of kind classification takes one TYPE_FP32 output with one dimension")
        if logits.dims[0] < self.postprocess.top_k:
            raise ValueError(f"top_k is {self.postprocess.top_k}, but there are only {logits.dims[0]} classes")
        return self


def load_model_spec(path: Path) -> ModelSpec:
    """Reads `path`, or the `model.yaml` inside the folder `path`.

    Raises:
        InputError: with file, line and key of the first thing wrong.
    """
    return read_document(path / "model.yaml" if path.is_dir() else path, ModelSpec)
