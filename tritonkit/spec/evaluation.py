"""What an evaluation on labelled data found out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tritonkit.spec.document import Document


class Estimate(Document):
    """A figure, and the interval in which it lies with 95 % confidence."""

    value: float
    low: float
    high: float


class RocPoint(Document):
    """A corner of an ROC curve."""

    false_positive: float = Field(description="Part of the other classes' samples that score at least as high.")
    true_positive: float = Field(description="Part of the class's own samples that do.")


class ClassFigures(Document):
    """One class against the rest."""

    name: str
    samples: int = Field(description="How many samples are of this class.")
    precision: Estimate = Field(description="Of the answers that name it, the part that is right.")
    recall: Estimate = Field(description="Of its samples, the part that was found.")
    f1: Estimate = Field(description="Harmonic mean of the two.")
    auc: Estimate | None = Field(description="Area under its ROC curve; none where there are no samples, or no others.")
    roc: tuple[RocPoint, ...] = Field(description="The curve, thinned to what a drawing can show.")


class CalibrationBin(Document):
    """Answers that were about as sure."""

    high: float = Field(description="Upper end of the bin; the lower one is the bin before's.")
    count: int
    confidence: float = Field(description="Mean probability that they gave themselves.")
    accuracy: Estimate = Field(description="The part of them that is right.")


class Mistake(Document):
    """A wrong answer."""

    sample: int = Field(description="Its number in the data set's test split.")
    truth: str
    answer: str
    confidence: float = Field(description="Probability that the answer gave itself.")


class ClassificationFigures(Document):
    """What is known of a classifier. Macro figures are means over the classes."""

    task: Literal["classification"] = "classification"
    accuracy: Estimate
    macro_precision: Estimate
    macro_recall: Estimate
    macro_f1: Estimate
    macro_auc: Estimate | None = Field(description="One-vs-rest; none where a class has none.")
    classes: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...] = Field(description="Samples by truth (row) and answer (column).")
    calibration: tuple[CalibrationBin, ...] = Field(description="By confidence; empty bins are left out.")
    calibration_error: float = Field(description="Expected calibration error: how far confidence is from accuracy.")
    mistakes: tuple[Mistake, ...] = Field(description="The wrong answers that were surest.")


class RegressionFigures(Document):
    """What is known of a regression."""

    task: Literal["regression"] = "regression"
    mse: Estimate = Field(description="Mean squared error, in the target's unit squared.")
    mae: Estimate = Field(description="Mean absolute error, in the target's unit.")
    r2: Estimate = Field(description="1 - squared error / squared deviation from the mean.")
    pairs: tuple[tuple[float, float], ...] = Field(
        description="Truth and answer of each sample, at most 1,000 of them."
    )


Figures = Annotated[ClassificationFigures | RegressionFigures, Field(discriminator="task")]


class Requirement(Document):
    """A bound that a figure has to keep."""

    text: str = Field(description="As it was asked for, such as `accuracy>0.893`.")
    got: float | None = Field(description="None where the figure is undefined.")
    met: bool


class EvaluatedData(Document):
    """What was asked."""

    name: str
    source: str = Field(description="The function, or the recipe, that the data set is from.")
    samples: int = Field(description="How many samples of the test split were asked.")
    test: int = Field(description="How many it holds. None of them is in the training split.")
    test_sha256: str = Field(description="Digest of the test split's samples and targets, in their order.")


class EvaluationReport(Document):
    """`evaluation.json`: a served model's answers to a data set's test split, and what they are worth."""

    schema_version: Literal[1] = 1
    model: str = Field(description="The served name.")
    version: str = Field(description="The version that answered.")
    data: EvaluatedData
    figures: Figures
    requirements: tuple[Requirement, ...] = ()
    server: str = Field(description="Name and version of the server.")
    protocol: Literal["grpc", "http"]
    batch: int = Field(description="Samples in a request.")
    concurrency: int = Field(description="Requests in flight.")
    seconds: float = Field(description="From the first request to the last answer.")
    machine: str
    tools: dict[str, str]
    started_at: str
    command: str
