"""What a GPU node runs: its GPUs, its TensorRT, a repository -> engines, proven, and the repository that it serves.

find     the GPUs, what builds engines, the TensorRT that Triton will load them with; refuse if they differ
build    the engine of each ONNX model for each kind of GPU, or find it in the cache
prove    each engine on its GPU against the recorded answers of the original weights
lay      the node's own repository: ONNX files as they are, engines and their profile beside them
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from builder.engines.build_engine import TIME_LIMIT_SECONDS, EngineTarget, build_engine, engine_key
from builder.engines.child import run_in_child
from builder.engines.engine_cache import prune_engines, require_engine
from builder.engines.engine_parity import ParityRequest
from builder.engines.gpus import find_gpus, one_of_each
from builder.engines.graph import read_graph
from builder.engines.libraries import exact_version, find_builder, require_same_version, serving_version
from builder.engines.node_repository import ReadyModel, lay_repository
from builder.engines.profiles import batch_range, make_profile
from builder.engines.records import EngineSettings, library_title, sm_name
from builder.engines.repository_models import find_onnx_models
from builder.engines.run_engine import missing_runtime
from tritonkit.spec.errors import UnavailableError
from tritonkit.spec.model import Document
from tritonkit.spec.parity import ParityReport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from builder.engines.engine_cache import CachedEngine
    from builder.engines.profiles import DimRange
    from builder.engines.repository_models import RepositoryModel

_PARITY_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOptions:
    """What the node is asked to do.

    Attributes:
        repository: the published repository; never written to.
        cache: the engine cache.
        models: names of the ONNX models; empty is all of them.
        ahead_of_time: compute capabilities to build for with TensorRT-RTX, without a GPU; empty builds with TensorRT
            for the GPUs at hand.
        serving_version: the TensorRT that will load the engines; `None` asks the libnvinfer of this image.
        optimum: the batch that engines are tuned for; `None` is the largest.
        free: sizes of free dimensions.
        settings: the builder's settings.
        may_build: whether missing engines are built; else they are an error.
        require_parity: whether an engine that could not be proven here is an error.
        serve: where the node's own repository goes; `None` lays none.
        profile: name of the profile; `None` names it after the GPU, such as sm86.
        unused_days: engines that nobody has used for so long are removed afterwards.
        most_bytes: the longest unused engines beyond this are removed afterwards.
        time_limit: seconds for one build.
    """

    repository: Path
    cache: Path
    models: tuple[str, ...] = ()
    ahead_of_time: tuple[str, ...] = ()
    serving_version: str | None = None
    optimum: int | None = None
    free: Mapping[str, DimRange] = field(default_factory=dict)
    settings: EngineSettings = field(default_factory=EngineSettings)
    may_build: bool = True
    require_parity: bool = False
    serve: Path | None = None
    profile: str | None = None
    unused_days: float | None = None
    most_bytes: int | None = None
    time_limit: float = TIME_LIMIT_SECONDS


class EngineOutcome(Document):
    """One engine."""

    model: str = Field(description="The ONNX model.")
    compute_capability: str = Field(description="The GPU that it is for.")
    gpu: str | None = Field(description="The GPU at hand; none for a build ahead of time.")
    library: str = Field(description="TensorRT or TensorRT-RTX, with its exact version.")
    precision: str = Field(description="Number format of the graph.")
    file: str = Field(description="The engine in the cache.")
    sha256: str = Field(description="Its digest.")
    bytes: int = Field(description="Its size.")
    cached: bool = Field(description="Whether it was in the cache.")
    reason: str | None = Field(description="Why it was built.")
    seconds: float = Field(description="How long its build took, now or then.")
    parity: Literal["passed", "failed", "not run"] = Field(
        description="Its answers on this GPU, against the golden bundle."
    )
    parity_says: str = Field(description="The closest or the first failed comparison; or why it did not run.")


class NodeReport(Document):
    """The result: one JSON line."""

    schema_version: Literal[1] = 1
    passed: bool = Field(description="Every engine is there and none was found to differ.")
    engines: tuple[EngineOutcome, ...]
    serve: str | None = Field(None, description="The repository to start Triton on.")
    profile: str | None = Field(None, description="The `--model-config-name` to start it with.")
    removed: int = Field(0, description="Engines pruned from the cache.")


def run_node(options: NodeOptions, tell: Callable[[str], None]) -> NodeReport:
    """Does all of it.

    Args:
        options: what to do.
        tell: shows a line of progress.

    Raises:
        InputError: the repository or an option is wrong.
        UnavailableError: there is no GPU or no TensorRT; or parity is required and cannot run.
        ConflictError: the builder's version is not that of the serving TensorRT.
        GateError: a graph cannot become an engine; or one is missing and may not be built.
    """
    models = find_onnx_models(options.repository, options.models)
    targets = _find_targets(options, tell)
    ready = {model.name: ReadyModel(model=model, engines=()) for model in models}
    outcomes = []
    for target in targets:
        for model in models:
            engine = _engine_of(model, target, options, tell)
            outcomes.append(_outcome(model, target, engine, *_prove(model, target, engine, options.cache, tell)))
            ready[model.name] = ReadyModel(model=model, engines=(*ready[model.name].engines, engine))
    unproven = next((outcome for outcome in outcomes if outcome.parity == "not run"), None)
    if options.require_parity and unproven is not None:
        raise UnavailableError("parity is required and did not run", where=unproven.model, got=unproven.parity_says)
    passed = all(outcome.parity != "failed" for outcome in outcomes)
    profile = options.profile or "_".join(sm_name(target.compute_capability) for target in targets)
    lays = options.serve is not None and passed and not options.ahead_of_time
    if options.serve is not None and lays:
        lay_repository(options.repository, options.serve, list(ready.values()), profile)
        tell(f"laid {options.serve}: start Triton on it with --model-config-name={profile}")
    return NodeReport(
        passed=passed,
        engines=tuple(outcomes),
        serve=str(options.serve) if lays else None,
        profile=profile if lays else None,
        removed=len(prune_engines(options.cache, unused_days=options.unused_days, most_bytes=options.most_bytes)),
    )


def _find_targets(options: NodeOptions, tell: Callable[[str], None]) -> list[EngineTarget]:
    if options.ahead_of_time:
        tool = find_builder("tensorrt_rtx")
        tell(f"{tool.title}, ahead of time: a build check, and engines that Triton does not load")
        return [EngineTarget(tool=tool, compute_capability=capability) for capability in options.ahead_of_time]
    gpus = one_of_each(find_gpus())
    tool = find_builder("tensorrt")
    serving = serving_version() if options.serving_version is None else exact_version(options.serving_version)
    require_same_version(tool, serving)
    for gpu in gpus:
        tell(f"{gpu.name}, compute capability {gpu.compute_capability}, driver {gpu.driver}; {tool.title}")
    return [EngineTarget(tool=tool, compute_capability=gpu.compute_capability, gpu=gpu) for gpu in gpus]


def _engine_of(
    model: RepositoryModel, target: EngineTarget, options: NodeOptions, tell: Callable[[str], None]
) -> CachedEngine:
    graph = read_graph(model.onnx)
    largest = int(model.config.max_batch_size)
    batch = batch_range(largest, options.optimum) if largest > 0 else None
    key = engine_key(graph, target, make_profile(graph, batch, options.free), options.settings)
    if not options.may_build:
        return require_engine(options.cache, key)
    where = f"{model.name} for {sm_name(target.compute_capability)}"
    engine = build_engine(
        options.cache,
        graph,
        key,
        target,
        time_limit=options.time_limit,
        tell=lambda line: tell(f"{where}: {line}"),
    )
    how = "in the cache" if engine.cached else f"built in {engine.record.seconds:.1f} s"
    tell(f"{where}: {how}, {engine.record.bytes / 1e6:.1f} MB")
    return engine


def _prove(
    model: RepositoryModel, target: EngineTarget, engine: CachedEngine, cache: Path, tell: Callable[[str], None]
) -> tuple[Literal["passed", "failed", "not run"], str]:
    """Verdict, and the comparison or the reason behind it."""
    if (obstacle := _obstacle(model, target)) is not None:
        tell(f"{model.name}: parity on the GPU did not run: {obstacle}")
        return "not run", obstacle
    golden = model.golden or Path()
    request = ParityRequest(model=model.name, record=engine.record)
    work = Path(tempfile.mkdtemp(prefix=".parity-", dir=cache))
    try:
        report = run_in_child(
            "builder.engines.engine_parity:prove_engine",
            request,
            {"engine": engine.file, "golden": golden},
            work,
            ParityReport,
            gpu=None if target.gpu is None else target.gpu.uuid,
            time_limit=_PARITY_SECONDS,
            tell=tell,
        )
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if (failed := report.first_problem()) is not None:
        tell(f"{model.name}: parity on the GPU FAILED: {failed.output}: {failed.problem}")
        return "failed", f"{failed.output}, batch {failed.batch}: {failed.problem}"
    closest = max(report.comparisons, key=lambda comparison: comparison.used)
    says = f"{len(report.comparisons)} comparisons equal; the closest used {closest.used:.1%} of its allowance"
    tell(f"{model.name}: parity on the GPU: {says}")
    return "passed", says


def _obstacle(model: RepositoryModel, target: EngineTarget) -> str | None:
    if target.gpu is None:
        return "the engine is for a GPU that is not here"
    if target.tool.trtexec is not None:
        return "trtexec alone is here, and an engine is asked through TensorRT's Python module"
    if model.golden is None:
        return "the repository holds no golden bundle that asks this model"
    return missing_runtime()


def _outcome(
    model: RepositoryModel,
    target: EngineTarget,
    engine: CachedEngine,
    parity: Literal["passed", "failed", "not run"],
    says: str,
) -> EngineOutcome:
    record = engine.record
    return EngineOutcome(
        model=model.name,
        compute_capability=target.compute_capability,
        gpu=None if target.gpu is None else target.gpu.name,
        library=library_title(record.key),
        precision=record.key.precision,
        file=str(engine.file),
        sha256=record.sha256,
        bytes=record.bytes,
        cached=engine.cached,
        reason=engine.reason,
        seconds=round(record.seconds, 3),
        parity=parity,
        parity_says=says,
    )
