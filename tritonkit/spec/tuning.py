"""What a search for the best configuration under an objective writes down."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tritonkit.spec.document import Document


class Setting(Document):
    """One way to serve a built model: what the search varies, everything else being as it was built."""

    variant: str = Field(description="The variant that the ensemble calls.")
    instances: int = Field(description="Copies of the network's part.")
    threads: int | None = Field(None, description="`intra_op_thread_count` of each copy; none where it has none.")
    max_batch_size: int = Field(description="Largest batch of the ensemble and of each of its parts.")
    max_queue_delay_microseconds: int = Field(description="How long a request waits for company.")
    preprocess_instances: int | None = Field(
        None, description="Processes of the preprocessing step; none where the variant has no such step."
    )


class RateStep(Document):
    """What one rate of arrivals, held for some seconds, led to."""

    offered: float = Field(description="Requests a second that were due.")
    answered: float = Field(description="Answers a second.")
    p50: float = Field(description="Median latency from the intended start, in milliseconds.")
    p95: float = Field(description="Its 95th percentile.")
    p99: float = Field(description="Its 99th percentile.")
    met: bool = Field(description="Whether the objective was met.")


class TunedPoint(Document):
    """One setting, and how far it got."""

    setting: Setting
    verdict: Literal["measured", "hopeless", "does not load"] = Field(
        description="measured: `rate` is its best. hopeless: it failed at a rate that another had reached already, "
        "and was not looked at further."
    )
    rate: float = Field(description="Highest rate found that meets the objective, in requests a second; 0 if none.")
    promise: float = Field(description="What the search is told of it: `rate`, or an upper guess where it failed.")
    steps: tuple[RateStep, ...] = Field((), description="The rates that were tried, in order.")
    reason: str = Field("", description="Why it went no further, in words.")
    reloaded: tuple[str, ...] = Field((), description="Models that were loaded anew for it.")
    seconds: float = Field(0.0, description="What it took.")


class TuningReport(Document):
    """`tuning.json`: a search over the settings of one built model."""

    schema_version: Literal[1] = 1
    name: str = Field(description="The served name.")
    objective: str
    max_drop_points: float = Field(description="Most accuracy that a variant may cost, in percentage points.")
    axes: dict[str, tuple[str | int | None, ...]] = Field(description="What was varied, and among which values.")
    settings: int = Field(description="How many settings that makes.")
    excluded: dict[str, str] = Field({}, description="Variants that were left out, and why.")
    points: tuple[TunedPoint, ...]
    own: Setting = Field(description="The setting that the build has; the first point.")
    winner: Setting | None = Field(description="The setting with the highest rate; none if no rate met the objective.")
    step_seconds: float = Field(description="How long each rate was held.")
    started_at: str
    seconds: float
    machine: str
    cores: int
    tools: dict[str, str]
    command: str
    notes: tuple[str, ...] = ()
