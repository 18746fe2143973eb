"""What a training run leaves beside its weights."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tritonkit.spec.document import Document
from tritonkit.spec.recipe import Task


class Epoch(Document):
    """One time through the training split."""

    epoch: int = Field(description="From 1.")
    steps: int = Field(description="Steps since training began.")
    learning_rate: float = Field(description="At the epoch's end.")
    training_loss: float = Field(description="Mean over the epoch's steps; of an adversarial task the generator's.")
    validation_loss: float | None = Field(None, description="Mean over the held-out samples.")
    validation_accuracy: float | None = Field(None, description="classification: part of them that is right.")
    discriminator_loss: float | None = Field(None, description="adversarial: mean over the epoch's steps.")


class DataSummary(Document):
    """The data that was used."""

    name: str
    training: int = Field(description="Samples that steps were made on.")
    validation: int = Field(description="Samples that were held out of the training split.")
    test: int = Field(description="Samples of the test split; none of them is among the others.")
    test_sha256: str = Field(description="Digest of the test split's samples and targets, in their order.")


class TrainingReport(Document):
    """`training.json`."""

    schema_version: Literal[1] = 1
    name: str
    task: Task
    recipe_sha256: str
    data: DataSummary
    parameters: int = Field(description="How many numbers are trained.")
    epochs: tuple[Epoch, ...]
    best_epoch: int = Field(description="The epoch whose weights were kept.")
    weights: str = Field(description="Name of the file.")
    weights_sha256: str
    wall_seconds: float = Field(description="From the first to the last step, over all sittings of a resumed run.")
    cpu_seconds: float = Field(
        description="Processor time of the same, all processes: on a busy machine the honest measure of the cost."
    )
    processes: int
    threads: int = Field(description="Of each process.")
    tools: dict[str, str]
    machine: str
    finished_at: str
