"""What a build and a load test write down; the HTML page is drawn from these alone."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tritonkit.spec.model import Document
from tritonkit.spec.parity import ParityReport
from tritonkit.spec.skew import SkewReport
from tritonkit.spec.tensors import TensorSpec
from tritonkit.spec.verdicts import Optimisation, Verdict


class StageRun(Document):
    """One stage of a build."""

    name: str
    seconds: float = Field(description="Wall time of this run; of a cached stage, the time to check it.")
    cached: bool = Field(description="Whether an earlier run's outputs were used.")
    folder: str = Field(description="Where its outputs, its log and reproduce.sh lie.")
    summary: str = Field(description="One line.")


class VariantResult(Document):
    """What became of one variant."""

    name: str
    backend: str
    precision: str
    megabytes: float | None = Field(None, description="Size of the artefact, in 10^6 bytes.")
    artefact: ParityReport | None = Field(None, description="The converted model against the original weights.")
    served: ParityReport | None = Field(
        None, description="The golden bundle through a live Triton; none if it came not so far."
    )
    accuracy_drop_points: float | None = Field(
        None,
        description="Accuracy that it costs against full precision, in percentage points; none where it was not "
        "measured.",
    )
    optimisation: Optimisation | None = Field(None, description="What was done to its graph.")
    verdict: Verdict | None = Field(None, description="What it brings and costs against full precision.")
    refused: str | None = Field(None, description="What stopped it; such a variant is in no repository.")


class BuildReport(Document):
    """`build.json` beside a candidate's repository."""

    schema_version: Literal[1] = 1
    name: str
    description: str
    target: str
    variant: str = Field(description="The variant that the ensemble calls.")
    parameters: int = Field(description="How many numbers the weights hold.")
    opset: int | None = Field(description="None where the network is served in torch.")
    ir_version: int | None
    inputs: tuple[TensorSpec, ...] = Field((), description="The network's inputs.")
    outputs: tuple[TensorSpec, ...] = Field((), description="The network's outputs.")
    weights: str
    weights_sha256: str
    repository: str = Field(description="The candidate's repository.")
    manifest_sha256: str
    stages: tuple[StageRun, ...]
    variants: tuple[VariantResult, ...]
    skew: SkewReport | None = Field(
        None, description="The served preprocessing against source.transform; none where gates.skew names no pictures."
    )
    tools: dict[str, str]
    built_at: str
    command: str = Field(description="What repeats this build.")


class Latency(Document):
    """Quantiles of the time from a request's intended start to its answer, in milliseconds."""

    p50: float
    p90: float
    p95: float
    p99: float
    p999: float
    mean: float
    max: float


class ServerTimes(Document):
    """The server's own account of the same seconds, for one model: milliseconds a request."""

    model: str
    requests: int
    inferences: int
    executions: int
    failures: int = 0
    mean_batch: float = Field(description="Inferences by execution.")
    request_ms: float = Field(0.0, description="From the request's arrival in the server to its answer.")
    queue_ms: float
    compute_input_ms: float
    compute_infer_ms: float
    compute_output_ms: float


class LoadSlice(Document):
    """A short piece of the measured time: what comparisons and confidence intervals are computed from."""

    begin: float = Field(description="Seconds since the measured time began; each slice ends where the next begins.")
    answers: int = Field(description="Answers that arrived in it.")
    failures: int = Field(description="Requests that were due in it and failed.")
    latencies: tuple[tuple[int, int], ...] = Field(
        description="Of the requests that were due in it: bucket, count. Bucket i ends at 0.01 * 1.01^i milliseconds."
    )


class HeldRate(Document):
    """What one of several rates of an open loop led to, while it was held."""

    offered: float = Field(description="Requests a second that were due.")
    throughput: float = Field(description="Answers a second.")
    failures: int
    p50: float = Field(description="Median latency, in milliseconds.")
    p95: float = Field(description="Its 95th percentile.")
    p99: float = Field(description="Its 99th percentile.")


class LoadSeries(Document):
    """One protocol's share of a load test; in a mix of models, one model's of that."""

    protocol: Literal["grpc", "http"]
    model: str = Field("", description="The model, where the test mixes several; else empty.")
    users: int
    requests: int
    failures: int
    failure_reasons: dict[str, int] = Field(description="Count by reason.")
    throughput: float = Field(description="Answers that arrived, by second.")
    latency: Latency
    timeline: tuple[tuple[float, int, float], ...] = Field(
        description="By second: seconds since the start, answers, p95 in milliseconds."
    )
    histogram: tuple[tuple[float, int], ...] = Field(
        description="Bars that grow by about 10 %: upper edge in milliseconds, and how many latencies lie in the bar, "
        "above the upper edge of the one before. They hold what `latency` holds: answers, and what waited in vain."
    )
    throughput_interval: tuple[float, float] | None = Field(
        None, description="95 % confidence interval, by a bootstrap over slices of time; so are those of the latency."
    )
    latency_low: Latency | None = Field(None, description="Lower ends of the confidence intervals.")
    latency_high: Latency | None = Field(None, description="Upper ends.")
    offered: float | None = Field(None, description="Open loop: requests a second that were due.")
    late: int = Field(0, description="Open loop: requests sent more than 10 ms after they were due.")
    unsent: int = Field(0, description="Open loop: requests that were due and never sent; they count as failures too.")
    goodput: float | None = Field(None, description="Answers a second within the objective's latency.")
    first_messages: dict[str, str] = Field({}, description="The server's words at the first failure of each reason.")
    slices: tuple[LoadSlice, ...] = ()
    first_response: Latency | None = Field(
        None, description="Streams: the time to the first response; `latency` is that to the last."
    )
    responses: float | None = Field(None, description="Streams: responses to a request, on average.")
    rates: tuple[HeldRate, ...] = Field((), description="Open loop in steps: what each rate led to.")


class ObjectiveTerm(Document):
    """One term of a service level objective, for one protocol."""

    term: str = Field(description="As it was given.")
    protocol: Literal["grpc", "http"]
    model: str = Field("", description="The model, where the test mixes several; else empty.")
    got: float = Field(description="In the term's unit: milliseconds, percent, or a second.")
    met: bool


class ObjectiveVerdict(Document):
    """Whether a load test met its service level objective; it did if every term was met for every protocol."""

    objective: str
    met: bool
    terms: tuple[ObjectiveTerm, ...]


class ServerMoment(Document):
    """The server's account of a second or more of the measured time, the parts of an ensemble added up."""

    begin: float = Field(description="Seconds since the measured time began; a moment ends where the next begins.")
    requests: int = Field(description="That the tested models answered.")
    queue_ms: float = Field(description="Milliseconds a request, as those that follow.")
    compute_input_ms: float
    compute_infer_ms: float
    compute_output_ms: float


class GpuUse(Document):
    """What Triton's metrics said of one GPU in the measured time."""

    gpu: str = Field(description="Its UUID.")
    utilisation: float = Field(description="Mean of `nv_gpu_utilization`, from 0 to 1.")
    memory_bytes: float = Field(description="Most of `nv_gpu_memory_used_bytes`.")


class LoadReport(Document):
    """`load.json`: a load test of one served model."""

    schema_version: Literal[1] = 1
    model: str
    mode: Literal["closed", "open"] = Field(description="closed: users wait for their answer. open: arrivals do not.")
    offered: float | None = Field(description="Requests a second that were to arrive; none in a closed loop.")
    seconds: float = Field(description="Measured time, warm-up left out.")
    warmup_seconds: float
    series: tuple[LoadSeries, ...]
    server: tuple[ServerTimes, ...]
    generator_cpu: float = Field(description="CPU of the load generator, in cores.")
    cores: int = Field(description="Cores of the machine, shared by server and generator.")
    limited_by_generator: bool
    started_at: str
    command: str
    limit_reason: str = Field("", description="Why the generator, not the server, was the limit; empty if it was not.")
    processes: int = Field(1, description="Processes of the load generator; one can use about one core.")
    ceiling: float | None = Field(
        None,
        description="Answers a second that the generator reaches with these payloads against a server that does "
        "nothing.",
    )
    machine_cpu: float | None = Field(None, description="CPU of the generator's machine in use, in cores, by anyone.")
    batch: int = Field(1, description="Items in a request.")
    payload_bytes: int = Field(0, description="Mean size of a request.")
    objective: ObjectiveVerdict | None = None
    notes: tuple[str, ...] = Field((), description="What a reader must know before believing a figure.")
    machine: str = Field("", description="The generator's machine.")
    tools: dict[str, str] = Field({}, description="Versions of what generated the load.")
    server_timeline: tuple[ServerMoment, ...] = Field((), description="The server's account, moment by moment.")
    gpus: tuple[GpuUse, ...] = Field((), description="Use of the server's GPUs, where its metrics were asked.")
    sequence_length: int = Field(0, description="Requests in a sequence; 0 for single requests.")
    stream: bool = Field(False, description="Whether each request had a stream.")


class ComparedFigure(Document):
    """One figure of two load tests."""

    protocol: Literal["grpc", "http"]
    model: str = Field("", description="The model, where the tests mix several; else empty.")
    figure: str = Field(description="`p50`, `p95`, `p99` in milliseconds, or `throughput` in answers a second.")
    first: float
    second: float
    ratio: float = Field(description="second / first.")
    low: float = Field(description="Lower end of the ratio's confidence interval.")
    high: float = Field(description="Upper end.")
    verdict: Literal["faster", "slower", "no difference"]


class LoadComparison(Document):
    """What a second load test, or a second set of runs, says against a first."""

    verdict: Literal["faster", "slower", "no difference", "mixed"] = Field(
        description="Of the second: faster or slower if a figure says so and none says the opposite."
    )
    figures: tuple[ComparedFigure, ...]
    least_change: float = Field(description="A difference must surely exceed this share to count.")
    confidence: float = Field(description="Of each interval.")
    runs: tuple[int, int] = Field(description="How many runs each side has.")
    notes: tuple[str, ...] = Field((), description="What a reader must know before believing the verdict.")


class Answered(Document):
    """One file that a served model was asked about, for the table and the page."""

    file: str
    protocol: Literal["grpc", "http"]
    milliseconds: float
    classes: tuple[tuple[str, float], ...] = Field(description="Label and score, the likeliest first.")
