"""The build, in reading order: trained weights -> a verified candidate repository. Read this file first.

    capture   original weights -> model.onnx, and what those weights answer
    convert   the captured graph -> the variant's file
    artefact  that file, in process, against the recorded answers
    assemble  file and spec -> a staged repository and its golden bundle
    served    the staged repository in a real Triton, asked over gRPC and HTTP
    accuracy  that file, in process, on labelled samples, where the spec names some
    time      a variant beside full precision, on this machine; then the verdict whether it pays
    skew      the served preprocessing against the evaluation's, on many real pictures, where the spec names some

Each stage runs in a child process and is kept in the cache (`builder.stage`). `artefact`, `served` and `skew` are gates:
a build fails unless the served answer equals that of the weights that were evaluated. What passes becomes a *candidate*.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from builder import stages
from builder.candidate import write_candidate, write_failure
from builder.plan import (
    Plan,
    capture_inputs,
    capture_request,
    code_beside,
    convert_inputs,
    convert_request,
    make_plan,
    skew_request,
    threads_of,
)
from builder.skew.gate import require_little_skew
from builder.skew.samples import fetch_pictures
from builder.stage import Finished, run_stage
from builder.telling import (
    tell_accuracy,
    tell_assemble,
    tell_capture,
    tell_convert,
    tell_parity,
    tell_skew,
    tell_time,
)
from builder.variants.accuracy import compare_accuracy
from builder.variants.timing import hardware_name
from builder.variants.verdicts import judge
from tritonkit.repository.digests import file_digest
from tritonkit.spec.errors import GateError, KitError
from tritonkit.spec.references import find_function
from tritonkit.spec.reports import StageRun, VariantResult
from tritonkit.spec.verdicts import VariantFigures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tritonkit.spec.model import ModelSpec, Variant
    from tritonkit.spec.parity import ParityReport
    from tritonkit.spec.reports import BuildReport
    from tritonkit.spec.skew import SkewReport
    from tritonkit.spec.verdicts import Accuracy, Timing, Verdict


class Line(Protocol):
    """A line of progress that somebody watches."""

    def done(self, summary: str) -> None:
        """What the finished line says."""


class _Unwatched:
    def done(self, summary: str) -> None:
        """Nobody looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A variant that went all the way, or as far as it came.

    Attributes:
        variant: the variant.
        result: what is known of it, for the report.
        files: its version folder, where it was converted.
        assembled: the staged repository and its golden bundle.
        served: what the live server answered.
        right: which labelled samples it answered rightly: the folder of the accuracy stage.
        error: what stopped it.
    """

    variant: Variant
    result: VariantResult
    files: Path | None = None
    assembled: Finished[stages.AssembleResult] | None = None
    served: Finished[stages.ServedResult] | None = None
    right: Path | None = None
    error: KitError | None = None


def build(path: Path, out: Path, *, watch: Callable[[str], AbstractContextManager[Line]] | None = None) -> BuildReport:
    """Builds the model that `path` describes and leaves a verified candidate in `out`.

    `out` is replaced as a whole once everything has passed; until then, and after a failure, what it held stays.

    Args:
        path: model.yaml, or its folder.
        out: where the candidate goes: `repository/`, `build.json`, `pictures/`.
        watch: shows a stage's name while it runs and its summary afterwards.

    Raises:
        InputError: the spec, or a file that it names, is wrong.
        GateError: an answer differs; says which output, which sample, got and allowed. `failed.json` in `out` holds
            every comparison.
        KitError: a stage crashed, was killed or took too long.
    """
    plan = make_plan(path)
    runs: list[StageRun] = []

    def run(
        stage: Any,
        request: Any,
        inputs: Mapping[str, Path],
        tell: Callable[[Any], str],
        prepare: Callable[[], object] | None = None,
    ) -> Any:
        with watch(stage.name) if watch else nullcontext(_Unwatched()) as line:
            finished = run_stage(stage, request, inputs, {"folder": plan.file.parent.absolute()}, prepare)
            summary = tell(finished.result)
            line.done(summary + (" (cached)" if finished.cached else ""))
        runs.append(
            StageRun(
                name=stage.name,
                seconds=finished.seconds,
                cached=finished.cached,
                folder=str(finished.folder),
                summary=summary,
            )
        )
        return finished

    captured = run(stages.CAPTURE, capture_request(plan.spec), capture_inputs(plan), tell_capture)
    proven: list[Tried] = []
    for variant in sorted(plan.spec.variants, key=_comes_later):
        proven.append(_try_variant(plan, variant, captured.out, run, _full_precision(proven)))
    names = [variant.name for variant in plan.spec.variants]
    chosen = next(one for one in proven if one.variant.name == plan.spec.serving.variant)
    if chosen.error is not None or chosen.assembled is None or chosen.served is None:
        raise _final_error(chosen, out)
    skew = _check_skew(plan, chosen, run)
    return write_candidate(
        out,
        spec=plan.spec,
        spec_file=plan.file,
        weights_sha256=file_digest(plan.weights),
        captured=captured,
        assembled=chosen.assembled,
        served=chosen.served.result,
        skew=skew,
        variants=tuple(one.result for name in names for one in proven if one.variant.name == name),
        runs=tuple(runs),
    )


def _try_variant(
    plan: Plan, variant: Variant, captured: Path, run: Callable[..., Any], baseline: Tried | None
) -> Tried:
    """Takes one variant as far as it comes; what stops it stops no other."""
    known: dict[str, Any] = {"name": variant.name, "backend": variant.backend, "precision": variant.precision}
    converted, assembled, served, right, error = None, None, None, None, None
    try:
        convert = convert_request(plan.spec, variant)
        converted = run(
            stages.CONVERT,
            convert,
            convert_inputs(plan, variant, captured),
            tell_convert,
            lambda: _fetch_samples(plan, variant),
        )
        known["megabytes"] = converted.result.bytes / 1e6
        known["optimisation"] = converted.result.optimisation
        request = stages.SpecRequest(spec=plan.spec, variant=variant)
        inputs = {"captured": captured, "model": converted.out}
        artefact = run(stages.ARTEFACT, request, inputs, tell_parity)
        known["artefact"] = artefact.result
        _require(artefact.result)
        inputs |= {"answers": artefact.out / "answers.npz", **plan.steps}
        if plan.spec.source.answer is not None:
            inputs |= code_beside(plan)
        assembled = run(stages.ASSEMBLE, request, inputs, tell_assemble)
        served = run(
            stages.SERVED,
            stages.ServedRequest(
                name=plan.spec.name, target=plan.spec.target.triton, requirements=assembled.result.requirements()
            ),
            {"repository": assembled.out / "repository", "golden": assembled.out / "golden"},
            lambda result: f"{tell_parity(result.parity)}; loaded in {result.load_seconds:.1f} s",
            lambda: _make_server(plan.spec.target.triton, assembled.result.requirements()),
        )
        known["served"] = served.result.parity
        _require(served.result.parity)
        accuracy = None
        if plan.spec.gates.accuracy.data is not None:
            right, accuracy = _accuracy(plan, variant, converted.out, baseline, run)
            known["accuracy_drop_points"] = accuracy.drop_points
        timings = _timings(plan.spec, variant, converted.out, baseline, run)
        known["verdict"] = verdict = _verdict(plan.spec, variant, converted.result, accuracy, timings)
        if not verdict.accepted:
            raise GateError(f"{variant.name}: it does not pay", got="; ".join(verdict.reasons))
    except KitError as caught:
        error = caught
        known["refused"] = str(caught)
    result = VariantResult.model_validate(known)
    files = converted.out if converted is not None else None
    return Tried(
        variant=variant, result=result, files=files, assembled=assembled, served=served, right=right, error=error
    )


def _check_skew(plan: Plan, chosen: Tried, run: Callable[..., Any]) -> Finished[SkewReport] | None:
    """Holds the preprocessing that is to be served to the evaluation's, on the pictures that the spec names."""
    gate = plan.spec.gates.skew
    if gate is None or chosen.assembled is None or chosen.files is None:
        return None
    request = skew_request(plan.spec, gate, chosen.variant, chosen.assembled.result)

    def prepare() -> None:
        _make_server(request.target, request.requirements)
        fetch_pictures(gate, plan.file.parent.absolute())

    checked: Finished[SkewReport] = run(
        stages.SKEW,
        request,
        {"repository": chosen.assembled.out / "repository", "model": chosen.files, **code_beside(plan)},
        tell_skew,
        prepare,
    )
    require_little_skew(checked.result, checked.out / "skew")
    return checked


def _comes_later(variant: Variant) -> bool:
    """What others are held against is tried first, whatever the order in the spec."""
    return (
        variant.backend != "onnxruntime"
        or variant.precision != "fp32"
        or variant.optimise
        or variant.placement != "step"
    )


def _full_precision(tried: Iterable[Tried]) -> Tried | None:
    """The first variant in full precision that passed: what the others are held against."""
    passed = [one for one in tried if one.error is None and one.variant.backend == "onnxruntime"]
    return next((one for one in passed if one.variant.precision == "fp32"), None)


def _accuracy(
    plan: Plan, variant: Variant, model: Path, baseline: Tried | None, run: Callable[..., Any]
) -> tuple[Path, Accuracy]:
    """Which labelled samples the variant's file answers rightly, and what that costs against full precision."""
    data = plan.spec.gates.accuracy.data
    if data is None or (baseline is None and _comes_later(variant)):
        raise GateError(
            f"{variant.name}: there is nothing to hold its accuracy against",
            got="no variant in fp32 on backend onnxruntime passed",
        )
    request = stages.AccuracyRequest(
        variant=variant,
        data=data,
        source=plan.spec.source,
        inputs=plan.spec.inputs,
        outputs=plan.spec.outputs,
        preprocess=plan.spec.preprocess,
    )
    measured = run(
        stages.ACCURACY,
        request,
        {"model": model, **code_beside(plan)},
        tell_accuracy,
        lambda: _fetch_samples(plan, variant),
    )
    against = baseline.right if baseline is not None and baseline.right is not None else measured.out
    return measured.out, compare_accuracy(measured.result, measured.out, against)


def _fetch_samples(plan: Plan, variant: Variant) -> None:
    """Lets data sets be downloaded here, where there is a network: a stage has none."""
    folder = plan.file.parent.absolute()
    if plan.spec.gates.accuracy.data is not None:
        find_function(plan.spec.gates.accuracy.data.source, folder, "gates.accuracy.data.source")()
    if variant.calibration is not None:
        next(iter(find_function(variant.calibration.source, folder, "calibration.source")()), None)


def _timings(
    spec: ModelSpec, variant: Variant, model: Path, baseline: Tried | None, run: Callable[..., Any]
) -> tuple[Timing, ...]:
    """The variant beside full precision. What is for a GPU is not timed on a processor."""
    if baseline is None or baseline.files is None or variant.backend != "onnxruntime" or variant.device != "cpu":
        return ()
    threads = threads_of(spec)
    request = stages.TimeRequest(
        inputs=spec.inputs,
        normalised_in_graph=spec.preprocess if variant.placement == "graph" else None,
        batches=tuple(sorted({1, max(1, spec.serving.max_batch_size)})),
        threads=threads,
        hardware=hardware_name(threads),
    )
    timed = run(stages.TIME, request, {"model": model, "baseline": baseline.files}, tell_time)
    timings: tuple[Timing, ...] = timed.result.timings
    return timings


def _verdict(
    spec: ModelSpec,
    variant: Variant,
    converted: stages.ConvertResult,
    accuracy: Accuracy | None,
    timings: tuple[Timing, ...],
) -> Verdict:
    """Holds what the variant brings against what it costs."""
    done = converted.optimisation
    timed_on = hardware_name(threads_of(spec)) if timings else ""
    figures = VariantFigures(
        variant=variant.name,
        precision=variant.precision,
        hardware=timed_on if variant.device == "cpu" else "a GPU",
        megabytes=converted.bytes / 1e6,
        parity=True,
        accuracy=accuracy,
        agreement=done.agreement if done is not None else None,
        timings=timings,
    )
    return judge(figures, spec.gates.accuracy, batch=1)


def _make_server(target: str, requirements: tuple[str, ...]) -> None:
    """Installs the server's environment, if it is not there yet."""
    from builder.prove import own_packages  # noqa: PLC0415 - an unchanged build needs none of it
    from tritonkit.server import ensure_environment  # noqa: PLC0415 - as above

    ensure_environment(target, packages=own_packages(requirements))


def _require(report: ParityReport) -> None:
    """Stops a variant at the first comparison that failed."""
    failed = report.first_problem()
    if failed is None:
        return
    raise GateError(
        f"{report.variant}: {failed.output} differs from its reference "
        f"({failed.level}, {failed.protocol}, batch {failed.batch})",
        where=failed.model,
        got=failed.problem,
        expected=f"|difference| <= {failed.tolerance.absolute} + {failed.tolerance.relative} * |reference|"
        if failed.tolerance
        else "exactly the reference",
    )


def _final_error(tried: Tried, out: Path) -> KitError:
    """The error of the variant that was to be served; of a failed gate, every comparison is written down."""
    error = tried.error or KitError(f"{tried.variant.name}: the variant was not proven")
    failed = next((r for r in (tried.result.served, tried.result.artefact) if r is not None and not r.passed), None)
    if failed is not None:
        error.hint = f"nothing was published; every comparison is in {write_failure(out, failed)}"
    return error
