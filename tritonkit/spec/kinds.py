"""The kinds of pre- and postprocessing: what turns a request into the network's input, and its output into an answer."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tritonkit.spec.document import Document, Positive
from tritonkit.spec.serving import StepServing
from tritonkit.spec.tensors import TensorName, TensorSpec

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]


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


TEXT_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class TextPreprocess(Document):
    """UTF-8 text -> token numbers. The texts of one request are padded to the longest of them."""

    kind: Literal["text"] = Field(description="Text.")
    tokenizer: str = Field(
        description="tokenizer.json of the tokenizers library: a file beside model.yaml, or `package:NAME/PATH`."
    )
    max_length: int = Field(ge=1, description="Tokens after which a text is cut, special tokens included.")
    pad_id: int = Field(0, ge=0, description="Token number that fills up the shorter texts of a request.")
    serving: StepServing = Field(StepServing(), description="How the step runs.")


class Column(Document):
    """One column of a table: a number, or one of several categories."""

    name: TensorName = Field(description="Name of the request's input.")
    mean: float = Field(0.0, description="Numbers: subtracted.")
    std: Positive = Field(1.0, description="Numbers: what is left is divided by it.")
    missing: float | None = Field(
        None, description="Numbers: taken in the place of NaN, before mean and std; without it a NaN is refused."
    )
    categories: tuple[str, ...] = Field((), description="Texts: each becomes a column of zeros and ones.")
    unknown: Literal["refuse", "zeros"] = Field(
        "refuse", description="What becomes of a text that is none of the categories."
    )


class TabularPreprocess(Document):
    """A row of numbers and categories, each an input of its own -> one vector."""

    kind: Literal["tabular"] = Field(description="Rows of a table.")
    columns: tuple[Column, ...] = Field(min_length=1, description="In the order of the vector's elements.")
    serving: StepServing = Field(StepServing(), description="How the step runs.")

    def width(self) -> int:
        """How many elements the vector has."""
        return sum(len(column.categories) or 1 for column in self.columns)


class _OwnCode(Document):
    """Code of the user's own that runs in the server."""

    file: str = Field(description="Its source, beside model.yaml; copied into the repository as it is.")
    files: tuple[str, ...] = Field(
        (), description="Further files, copied beside it: it finds them beside its own `__file__`."
    )
    packages: dict[str, str] = Field(
        {},
        description="What it imports besides the standard library: version specifier by distribution, such as "
        '`tokenizers: ">=0.20,<1"`; "" for any.',
    )


class PythonStream(_OwnCode):
    """A generator of the user's own in the place of a network; served decoupled, for streaming clients.

    It is called with one request, a mapping of input name to array, and yields any number of answers, each a mapping of
    output name to array. What it raises ends the stream, as its last answer.
    """

    function: Identifier = Field("stream", description="Its name.")
    time_limit: Positive = Field(
        300.0,
        description="Seconds after which a stream is ended with an error, whoever still listens to it.",
    )


class _PythonStep(_OwnCode):
    """A function of the user's own.

    It is called with a list of requests, each a mapping of input name to array, the batch dimension first, and
    returns a list of as many mappings of output name to array. If it raises, each request is asked again alone, and
    only those that raise are refused, with the text of what they raised.
    """

    kind: Literal["python"] = Field(description="A function of your own.")
    serving: StepServing = Field(StepServing(), description="How the step runs.")


class PythonPreprocess(_PythonStep):
    """A function of the user's own: requests -> the network's inputs."""

    function: Identifier = Field("preprocess", description="Its name.")
    inputs: tuple[TensorSpec, ...] = Field(min_length=1, description="Inputs of a request.")


class ClassificationPostprocess(Document):
    """Logits -> the `top_k` most likely classes: `class_id`, `score` (softmax) and `label`."""

    kind: Literal["classification"] = Field(description="One class of many.")
    top_k: int = Field(5, ge=1, description="Classes in an answer, the likeliest first.")
    labels: str = Field(description="Text file beside model.yaml, one class name a line, in the order of the logits.")
    serving: StepServing = Field(StepServing(), description="How the step runs.")


class PythonPostprocess(_PythonStep):
    """A function of the user's own: the network's outputs -> an answer."""

    function: Identifier = Field("postprocess", description="Its name.")
    outputs: tuple[TensorSpec, ...] = Field(
        min_length=1, description="Outputs of an answer; the network's own are answered besides."
    )
    pictures: dict[str, int] = Field(
        {},
        description="Outputs that hold encoded pictures: by name, how many of 255 levels a pixel may be off. They are "
        "decoded to be compared, since the bytes of one encoder are not another's, and shown in the report.",
    )

    @model_validator(mode="after")
    def _pictures_are_outputs(self) -> Self:
        texts = [tensor.name for tensor in self.outputs if tensor.data_type == "TYPE_STRING"]
        strange = [name for name in self.pictures if name not in texts]
        if strange:
            raise ValueError(f"pictures names {', '.join(strange)}; of outputs, TYPE_STRING are {', '.join(texts)}")
        return self


Preprocess = Annotated[
    ImagePreprocess | TextPreprocess | TabularPreprocess | PythonPreprocess, Field(discriminator="kind")
]
Postprocess = Annotated[ClassificationPostprocess | PythonPostprocess, Field(discriminator="kind")]
