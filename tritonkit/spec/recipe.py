"""A training recipe: the one file that says how weights came to be. `load_recipe` reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from tritonkit.spec.document import Document, FunctionPath, Name, Positive
from tritonkit.spec.yaml_lines import read_document

if TYPE_CHECKING:
    from pathlib import Path

Argument = bool | int | float | str
Task = Literal["classification", "regression", "adversarial"]


class NetworkRecipe(Document):
    """The network to train, with fresh weights."""

    factory: FunctionPath = Field(
        description="`module:function` that returns the torch.nn.Module; a module beside the recipe comes first."
    )
    arguments: dict[str, Argument] = Field(
        {}, description="Keyword arguments of the factory, such as its dropout or whether it normalises batches."
    )


class DataRecipe(Document):
    """The data set, and how much of its training split is held out to choose the best epoch."""

    source: FunctionPath = Field(
        description="`module:function` that returns a `tritonkit.evaluation.datasets.dataset.DataSet`."
    )
    arguments: dict[str, Argument] = Field({}, description="Keyword arguments of the function.")
    validation: float = Field(
        0.1, ge=0, lt=1, description="Part of the training split that is held out; the test split is never looked at."
    )


class PictureRecipe(Document):
    """Pictures, uint8 -> the network's input; must say what model.yaml's `preprocess` says."""

    resize: int = Field(ge=1, description="Side in pixels that square pictures are resized to, bilinear, antialiased.")
    channels: Literal[1, 3] = Field(3, description="Grey pictures are repeated to so many channels.")
    mean: float = Field(0.5, description="Subtracted where a pixel goes from 0 to 1.")
    std: float = Field(0.5, gt=0, description="Pixels are divided by it.")
    flip: bool = Field(False, description="Training: each picture is mirrored, left to right, with probability 1/2.")
    crop_padding: int = Field(
        0, ge=0, description="Training: each picture is padded with so many black pixels and cut at a random place."
    )
    noise: float = Field(
        0.0, ge=0, description="Training: standard deviation of Gaussian noise, where a pixel goes from 0 to 1."
    )


class OptimiserRecipe(Document):
    """What turns gradients into steps."""

    kind: Literal["sgd", "adam", "rmsprop"] = Field(description="Stochastic gradient descent, Adam or RMSprop.")
    learning_rate: Positive = Field(description="The highest of the schedule.")
    momentum: float = Field(0.9, ge=0, lt=1, description="sgd: Nesterov's momentum. adam: the first beta.")
    weight_decay: float = Field(
        0.0, ge=0, description="L2 penalty on matrices and filters; biases and normalisation are left alone."
    )
    l1: float = Field(0.0, ge=0, description="Added to the loss: this times the sum of the same weights' magnitudes.")
    schedule: Literal["constant", "cosine", "one_cycle"] = Field(
        "constant",
        description="cosine: from the highest to nothing. one_cycle: up for `warm_up` of the steps, then down.",
    )
    warm_up: float = Field(0.25, gt=0, lt=1, description="one_cycle: part of the steps that go up.")


class WeightsRecipe(Document):
    """How the best weights are written."""

    precision: Literal["fp32", "fp16"] = Field(
        "fp32",
        description="fp16 rounds matrices and filters, which halves the file; vectors and statistics stay as they are. "
        "What is evaluated and served are the rounded weights.",
    )


class Recipe(Document):
    """The whole of a recipe."""

    schema_version: Literal[1] = Field(description="Version of this format.")
    name: Name = Field(description="Name of the network.")
    task: Task = Field(
        description="classification: cross-entropy. regression: mean squared error, also of sequences. adversarial: a "
        "generator against a discriminator, non-saturating."
    )
    network: NetworkRecipe = Field(description="The network; of an adversarial task, the generator.")
    discriminator: NetworkRecipe | None = Field(None, description="adversarial: pictures (N, C, H, W) -> logits (N).")
    noise_size: int = Field(64, ge=1, description="adversarial: length of the generator's input.")
    data: DataRecipe = Field(description="The data set.")
    pictures: PictureRecipe | None = Field(
        None, description="Needed where the data set holds pictures, left out where it holds numbers."
    )
    optimiser: OptimiserRecipe = Field(description="How steps are made.")
    batch_size: int = Field(ge=1, description="Samples a step, over all processes.")
    epochs: int = Field(ge=1, description="Times that the training split is gone through, at most.")
    early_stop: int | None = Field(
        None, ge=1, description="Ends training after so many epochs whose validation loss was no new best."
    )
    seed: int = Field(0, ge=0, description="Seed of the weights, the split, the order, augmentation and dropout.")
    weights: WeightsRecipe = Field(WeightsRecipe(), description="How the best weights are written.")

    @model_validator(mode="after")
    def _fields_meet_the_task(self) -> Self:
        adversarial = self.task == "adversarial"
        if adversarial != (self.discriminator is not None):
            raise ValueError(f"task is {self.task}: `discriminator` belongs to adversarial, and only to it")
        if adversarial and self.pictures is None:
            raise ValueError("an adversarial task makes pictures: `pictures` is missing")
        if adversarial and (self.early_stop is not None or self.data.validation):
            raise ValueError("an adversarial task has no validation loss: data.validation is 0 and early_stop left out")
        if self.early_stop is not None and not self.data.validation:
            raise ValueError("early_stop watches the validation loss, and data.validation is 0")
        return self


def load_recipe(path: Path) -> Recipe:
    """Reads the recipe `path`.

    Raises:
        InputError: with file, line and key of the first thing wrong.
    """
    return read_document(path, Recipe)
