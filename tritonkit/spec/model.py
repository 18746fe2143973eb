"""`model.yaml`: the one file that says what a model is.

Triton's own words and units are used wherever Triton has a word. `load_model_spec` reads the file;
everything after it works on the frozen `ModelSpec`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from tritonkit.spec.document import Document, FunctionPath, Name, Positive
from tritonkit.spec.errors import InputError
from tritonkit.spec.gates import AccuracyGate, Gates, ParityGate, Tolerance
from tritonkit.spec.kinds import (
    TEXT_INPUTS,
    ClassificationPostprocess,
    Column,
    ImagePreprocess,
    Postprocess,
    Preprocess,
    PythonPostprocess,
    PythonPreprocess,
    PythonStream,
    TabularPreprocess,
    TextPreprocess,
)
from tritonkit.spec.ngc import DEFAULT_RELEASE, release
from tritonkit.spec.sequences import SequenceBatching, SequenceState, check_states
from tritonkit.spec.serving import DynamicBatching, InstanceGroup, PartServing, QueuePolicy, Serving, StepServing
from tritonkit.spec.source import Source
from tritonkit.spec.tensors import TensorSpec
from tritonkit.spec.variants import Calibration, Variant
from tritonkit.spec.yaml_lines import read_document

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "AccuracyGate",
    "Calibration",
    "ClassificationPostprocess",
    "Column",
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
    "PythonPostprocess",
    "PythonPreprocess",
    "PythonStream",
    "QueuePolicy",
    "Samples",
    "SequenceBatching",
    "SequenceState",
    "Serving",
    "Source",
    "StepServing",
    "TabularPreprocess",
    "TensorSpec",
    "TextPreprocess",
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


class Samples(Document):
    """What parity asks besides random tensors."""

    pictures: tuple[str, ...] = Field(
        (), description="Real pictures: files beside model.yaml, or `package:NAME/PATH` inside an installed package."
    )
    requests: str | None = Field(
        None,
        description="Real requests for kinds other than image: a .npz with an array for each input of the request, or "
        "a .json list of objects; the first axis counts requests. Of a stateful model, whole sequences: the second axis "
        "counts steps.",
    )
    random: int = Field(4, ge=1, le=64, description="How many seeded random tensors.")
    seed: int = Field(0, ge=0, description="Seed of the random tensors.")
    sizes: dict[str, tuple[int, ...]] = Field(
        {},
        description="Sizes at which free dimensions are asked, by their name: the smallest, an odd one and the largest "
        "that is to be served. 1, 7 and 32 without it.",
    )


class ModelSpec(Document):
    """The whole of `model.yaml`."""

    schema_version: Literal[1] = Field(description="Version of this format.")
    name: Name = Field(description="The served name: the ensemble's, and the first part of every other name.")
    description: str = Field("", description="What the model does, for the report.")
    target: Target = Field(Target(), description="What the repository is built for.")
    source: Source = Field(description="Where the trained network comes from.")
    inputs: tuple[TensorSpec, ...] = Field(min_length=1, description="Inputs of the network.")
    outputs: tuple[TensorSpec, ...] = Field(min_length=1, description="Outputs of the network.")
    preprocess: Preprocess | None = Field(
        None, description="What turns a request into the network's input; without it, requests are that input."
    )
    postprocess: Postprocess | None = Field(
        None, description="What turns the network's output into an answer; without it, that output is the answer."
    )
    variants: tuple[Variant, ...] = Field(min_length=1, description="Candidates; each is verified.")
    serving: Serving = Field(description="How the model is served.")
    samples: Samples = Field(Samples(), description="What parity asks.")
    gates: Gates = Field(Gates(), description="What must hold.")
    config: dict[str, Any] = Field(
        {}, description="Anything else of Triton's ModelConfig for the network's part, merged in and checked."
    )

    config_text: str = Field(
        "",
        description="Fields of a newer Triton for the network's part, in config.pbtxt's own form: appended as they are, "
        "unchecked. lint says so.",
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
    def _pictures_have_a_placement(self) -> Self:
        placed = [variant.name for variant in self.variants if variant.placement != "step"]
        if placed and not isinstance(self.preprocess, ImagePreprocess):
            raise ValueError(f"placement is for preprocess of kind image; {', '.join(placed)} has one")
        return self

    @model_validator(mode="after")
    def _accuracy_can_be_held_against_something(self) -> Self:
        if self.gates.accuracy.data is None:
            return self
        if not any(variant.precision == "fp32" and variant.backend == "onnxruntime" for variant in self.variants):
            raise ValueError(
                "gates.accuracy.data needs a variant in fp32 on backend onnxruntime to hold others against"
            )
        if len(self.inputs) != 1 or len(self.outputs[0].dims) != 1 or self.serving.max_batch_size == 0:
            raise ValueError(
                "gates.accuracy.data is about classes: one input, and a first output of one score a class, with a batch"
            )
        return self

    @model_validator(mode="after")
    def _skew_has_two_sides(self) -> Self:
        if self.gates.skew is not None and not isinstance(self.preprocess, ImagePreprocess):
            raise ValueError("gates.skew is for preprocess of kind image")
        if self.gates.skew is not None and self.source.transform is None:
            raise ValueError("gates.skew holds the served preprocessing against source.transform, which is missing")
        return self

    @model_validator(mode="after")
    def _kinds_meet_the_tensors(self) -> Self:
        _PREPROCESS_RULES[type(self.preprocess)](self)
        _POSTPROCESS_RULES[type(self.postprocess)](self)
        if self.samples.pictures and not isinstance(self.preprocess, ImagePreprocess):
            raise ValueError("samples.pictures are for preprocess of kind image; others take samples.requests")
        if self.preprocess is not None and not (self.samples.pictures or self.samples.requests):
            raise ValueError(
                "nothing would be asked of the whole pipeline: name real requests in samples."
                + ("pictures" if isinstance(self.preprocess, ImagePreprocess) else "requests")
            )
        if self.serving.max_batch_size == 0 and not isinstance(self.preprocess, PythonPreprocess | None):
            raise ValueError("a network without a batch dimension (serving.max_batch_size 0) takes kind python or none")
        return self

    @model_validator(mode="after")
    def _sequences_are_whole(self) -> Self:
        batching = self.serving.sequence_batching
        if batching is None:
            if self.source.sequence is not None:
                raise ValueError("source.sequence belongs to serving.sequence_batching, which is missing")
            return self
        check_states(batching, self.inputs, self.outputs)
        if self.serving.dynamic_batching != DynamicBatching():
            raise ValueError("serving has dynamic_batching and sequence_batching: Triton takes one of them")
        if self.serving.max_batch_size == 0:
            raise ValueError("serving.sequence_batching needs a batch dimension: serving.max_batch_size is 0")
        if any(variant.backend == "python" for variant in self.variants):
            raise ValueError("serving.sequence_batching keeps implicit state, for variants of backend onnxruntime")
        self._asked_as_it_is("serving.sequence_batching")
        return self

    @model_validator(mode="after")
    def _streams_are_whole(self) -> Self:
        if self.source.stream is None:
            return self
        if self.serving.max_batch_size != 0 or self.serving.sequence_batching is not None:
            raise ValueError("source.stream answers one request at a time: serving.max_batch_size is 0")
        if any(variant.backend != "python" for variant in self.variants):
            raise ValueError("source.stream is Python: its variants have backend python")
        if self.config_text:
            raise ValueError("source.stream takes no config_text: its configuration is published as `config` makes it")
        self._asked_as_it_is("source.stream")
        return self

    def _asked_as_it_is(self, key: str) -> None:
        if self.preprocess is not None or self.postprocess is not None:
            raise ValueError(f"{key} takes neither preprocess nor postprocess")
        if self.samples.requests is None:
            raise ValueError(f"nothing would be asked: {key} takes its questions from samples.requests")

    @model_validator(mode="after")
    def _answers_are_named_apart(self) -> Self:
        if isinstance(self.postprocess, PythonPostprocess):
            twice = {tensor.name for tensor in self.postprocess.outputs} & {tensor.name for tensor in self.outputs}
            if twice:
                raise ValueError(f"postprocess.outputs and outputs both have {', '.join(sorted(twice))}: rename one")
        return self

    def served_inputs(self) -> tuple[TensorSpec, ...]:
        """The network's inputs but those that Triton fills with a sequence's state."""
        batching = self.serving.sequence_batching
        return self.inputs if batching is None else _without(self.inputs, batching.input_names())

    def served_outputs(self) -> tuple[TensorSpec, ...]:
        """The network's outputs but those that Triton keeps as a sequence's state."""
        batching = self.serving.sequence_batching
        return self.outputs if batching is None else _without(self.outputs, batching.output_names())


def _without(tensors: tuple[TensorSpec, ...], names: frozenset[str]) -> tuple[TensorSpec, ...]:
    return tuple(tensor for tensor in tensors if tensor.name not in names)


def _anything(_spec: ModelSpec) -> None:
    pass


def _image_rules(spec: ModelSpec) -> None:
    side = spec.preprocess.crop if isinstance(spec.preprocess, ImagePreprocess) else 0
    shape = spec.inputs[0]
    if len(spec.inputs) != 1 or shape.dims != (3, side, side) or shape.data_type != "TYPE_FP32":
        raise ValueError(
            f"preprocess of kind image makes one TYPE_FP32 input with dims [3, {side}, {side}]; "
            f"inputs say {shape.data_type} {list(shape.dims)}"
        )


def _text_rules(spec: ModelSpec) -> None:
    for tensor in spec.inputs:
        if (
            tensor.name not in TEXT_INPUTS
            or tensor.dims != (-1,)
            or tensor.data_type not in ("TYPE_INT64", "TYPE_INT32")
        ):
            raise ValueError(
                f"preprocess of kind text makes {', '.join(TEXT_INPUTS)}, TYPE_INT64 or TYPE_INT32 with dims [-1]; "
                f"inputs say {tensor.name} {tensor.data_type} {list(tensor.dims)}"
            )


def _tabular_rules(spec: ModelSpec) -> None:
    width = spec.preprocess.width() if isinstance(spec.preprocess, TabularPreprocess) else 0
    vector = spec.inputs[0]
    if len(spec.inputs) != 1 or vector.dims != (width,) or vector.data_type != "TYPE_FP32":
        raise ValueError(
            f"preprocess of kind tabular makes one TYPE_FP32 input with dims [{width}]; "
            f"inputs say {vector.data_type} {list(vector.dims)}"
        )


def _classification_rules(spec: ModelSpec) -> None:
    logits, top_k = (
        spec.outputs[0],
        spec.postprocess.top_k if isinstance(spec.postprocess, ClassificationPostprocess) else 0,
    )
    if spec.serving.max_batch_size == 0:
        raise ValueError("postprocess of kind classification needs a batch dimension: serving.max_batch_size is 0")
    if len(spec.outputs) != 1 or len(logits.dims) != 1 or logits.data_type != "TYPE_FP32":
        raise ValueError("postprocess of kind classification takes one TYPE_FP32 output with one dimension")
    if logits.dims[0] < top_k:
        raise ValueError(f"top_k is {top_k}, but there are only {logits.dims[0]} classes")


# What each kind asks of the network's tensors.
_PREPROCESS_RULES = {
    ImagePreprocess: _image_rules,
    TextPreprocess: _text_rules,
    TabularPreprocess: _tabular_rules,
    PythonPreprocess: _anything,
    type(None): _anything,
}
_POSTPROCESS_RULES = {
    ClassificationPostprocess: _classification_rules,
    PythonPostprocess: _anything,
    type(None): _anything,
}


def load_model_spec(path: Path) -> ModelSpec:
    """Reads `path`, or the `model.yaml` inside the folder `path`.

    Raises:
        InputError: with file, line and key of the first thing wrong.
    """
    return read_document(path / "model.yaml" if path.is_dir() else path, ModelSpec)
