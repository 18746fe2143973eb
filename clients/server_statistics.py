"""The server's own figures of its models: what it counted, and where its time went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """A number of events and the time they took together.

    Attributes:
        count: how many.
        ns: nanoseconds, of all of them.
    """

    count: int
    ns: int

    @property
    def mean_ms(self) -> float:
        """Milliseconds of one; 0 if there was none."""
        return self.ns / self.count / 1e6 if self.count else 0.0

    def __sub__(self, earlier: Duration) -> Duration:
        return Duration(count=self.count - earlier.count, ns=self.ns - earlier.ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatistics:
    """Totals of one version of one model since it was loaded.

    Attributes:
        model: the model's name.
        version: its version.
        inferences: samples: a request with a batch of n counts n.
        executions: runs of the backend; inferences / executions is the mean batch.
        success: requests answered, from arrival to answer.
        fail: requests failed.
        queue: waiting for an instance.
        compute_input: preparing the inputs.
        compute_infer: running the model.
        compute_output: collecting the outputs.
        cache_hit: answers from the response cache.
        cache_miss: look-ups in vain, with the insertion.
    """

    model: str
    version: str
    inferences: int
    executions: int
    success: Duration
    fail: Duration
    queue: Duration
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration
    cache_hit: Duration
    cache_miss: Duration

    def since(self, earlier: ModelStatistics) -> ModelStatistics:
        """What happened between `earlier` and this snapshot of the same model and version.

        Raises:
            ValueError: they are of different models, or the model was reloaded in between and counts from 0 again.
        """
        if (self.model, self.version) != (earlier.model, earlier.version):
            raise ValueError(
                f"statistics of {self.model} {self.version} have no difference to {earlier.model} {earlier.version}"
            )
        if self.executions < earlier.executions:
            raise ValueError(f"{self.model} {self.version} was reloaded between the two snapshots")
        return ModelStatistics(
            model=self.model,
            version=self.version,
            inferences=self.inferences - earlier.inferences,
            executions=self.executions - earlier.executions,
            success=self.success - earlier.success,
            fail=self.fail - earlier.fail,
            queue=self.queue - earlier.queue,
            compute_input=self.compute_input - earlier.compute_input,
            compute_infer=self.compute_infer - earlier.compute_infer,
            compute_output=self.compute_output - earlier.compute_output,
            cache_hit=self.cache_hit - earlier.cache_hit,
            cache_miss=self.cache_miss - earlier.cache_miss,
        )


def model_statistics(document: Mapping[str, Any]) -> tuple[ModelStatistics, ...]:
    """Reads the answer of `GET /v2/models[/MODEL]/stats`."""
    return tuple(_statistics(entry) for entry in document.get("model_stats", ()))


def _statistics(entry: Mapping[str, Any]) -> ModelStatistics:
    durations = entry.get("inference_stats", {})
    return ModelStatistics(
        model=entry["name"],
        version=entry["version"],
        inferences=int(entry.get("inference_count", 0)),
        executions=int(entry.get("execution_count", 0)),
        success=_duration(durations, "success"),
        fail=_duration(durations, "fail"),
        queue=_duration(durations, "queue"),
        compute_input=_duration(durations, "compute_input"),
        compute_infer=_duration(durations, "compute_infer"),
        compute_output=_duration(durations, "compute_output"),
        cache_hit=_duration(durations, "cache_hit"),
        cache_miss=_duration(durations, "cache_miss"),
    )


def _duration(durations: Mapping[str, Any], name: str) -> Duration:
    duration = durations.get(name, {})
    return Duration(count=int(duration.get("count", 0)), ns=int(duration.get("ns", 0)))
