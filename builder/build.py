"""The build, in reading order: trained weights -> a verified candidate repository. Read this file first.

    capture   original weights -> model.onnx, and what those weights answer
    convert   the captured graph -> the variant's file
    artefact  that file, in process, against the recorded answers
    assemble  file and spec -> a staged repository and its golden bundle
    served    the staged repository in a real Triton, asked over gRPC and HTTP

Each stage runs in a child process and is kept in the cache (`builder.stage`). Two of them are gates: a build fails
unless the served answer equals that of the weights that were evaluated. What passes becomes a *candidate*.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from builder import stages
from builder.candidate import write_candidate, write_failure
from builder.stage import Finished, run_stage
from tritonkit.repository.digests import file_digest
from tritonkit.spec.errors import GateError
from tritonkit.spec.model import load_model_spec
from tritonkit.spec.references import find_file
from tritonkit.spec.reports import StageRun, VariantResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tritonkit.spec.model import ModelSpec, Variant
    from tritonkit.spec.parity import ParityReport
    from tritonkit.spec.reports import BuildReport


class Line(Protocol):
    """A line of progress that somebody watches."""

    def done(self, summary: str) -> None:
        """What the finished line says."""


class _Unwatched:
    def done(self, summary: str) -> None:
        """Nobody looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A spec and the files that it names, all of them found.

    Attributes:
        spec: the spec.
        file: its model.yaml.
        weights: the weights' file.
        labels: the class names' file.
        pictures: real pictures by file name.
    """

    spec: ModelSpec
    file: Path
    weights: Path
    labels: Path
    pictures: Mapping[str, Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """A variant that went all the way.

    Attributes:
        variant: the variant.
        assembled: the staged repository and its golden bundle.
        served: what the live server answered.
        result: the same for the report.
    """

    variant: Variant
    assembled: Finished[stages.AssembleResult]
    served: Finished[stages.ServedResult]
    result: VariantResult


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

    def run(stage: Any, request: Any, inputs: Mapping[str, Path], tell: Callable[[Any], str]) -> Any:
        with watch(stage.name) if watch else nullcontext(_Unwatched()) as line:
            finished = run_stage(stage, request, inputs, {"folder": plan.file.parent.absolute()})
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

    captured = run(stages.CAPTURE, _capture_request(plan.spec), _capture_inputs(plan), _tell_capture)
    proven = [_prove_variant(plan, variant, captured.out, run, out) for variant in plan.spec.variants]
    chosen = next(one for one in proven if one.variant.name == plan.spec.serving.variant)
    return write_candidate(
        out,
        spec=plan.spec,
        spec_file=plan.file,
        weights_sha256=file_digest(plan.weights),
        captured=captured,
        assembled=chosen.assembled,
        served=chosen.served.result,
        variants=tuple(one.result for one in proven),
        runs=tuple(runs),
    )


def make_plan(path: Path) -> Plan:
    """Reads the spec and finds every file that it names, before any work is done."""
    spec = load_model_spec(path)
    file = path / "model.yaml" if path.is_dir() else path
    folder = file.parent.absolute()
    pictures = [find_file(reference, folder, "samples.pictures") for reference in spec.samples.pictures]
    return Plan(
        spec=spec,
        file=file,
        weights=find_file(spec.source.weights, folder, "source.weights"),
        labels=find_file(spec.postprocess.labels, folder, "postprocess.labels"),
        pictures={picture.name: picture for picture in pictures},
    )


def _capture_request(spec: ModelSpec) -> stages.CaptureRequest:
    return stages.CaptureRequest(
        source=spec.source,
        inputs=spec.inputs,
        outputs=spec.outputs,
        preprocess=spec.preprocess,
        samples=spec.samples,
        target=spec.target.triton,
    )


def _capture_inputs(plan: Plan) -> dict[str, Path]:
    folder = plan.file.parent
    code = [path for path in sorted(folder.rglob("*.py")) if not any(part.startswith(".") for part in path.parts)]
    return {
        "weights": plan.weights,
        **{f"code/{path.relative_to(folder).as_posix()}": path for path in code},
        **{f"picture/{name}": path for name, path in plan.pictures.items()},
    }


def _prove_variant(plan: Plan, variant: Variant, captured: Path, run: Callable[..., Any], out: Path) -> Proven:
    """Takes one variant through conversion and both gates."""
    request = stages.SpecRequest(spec=plan.spec, variant=variant)
    convert = stages.ConvertRequest(variant=variant, target=plan.spec.target.triton)
    converted = run(stages.CONVERT, convert, {"captured": captured}, _tell_convert)
    artefact = run(stages.ARTEFACT, request, {"captured": captured, "model": converted.out}, _tell_parity)
    _require(artefact.result, out)
    inputs = {
        "captured": captured,
        "model": converted.out,
        "answers": artefact.out / "answers.npz",
        "labels": plan.labels,
    }
    assembled = run(stages.ASSEMBLE, request, inputs, _tell_assemble)
    served = run(
        stages.SERVED,
        stages.ServedRequest(name=plan.spec.name, target=plan.spec.target.triton),
        {"repository": assembled.out / "repository", "golden": assembled.out / "golden"},
        lambda result: f"{_tell_parity(result.parity)}; loaded in {result.load_seconds:.1f} s",
    )
    _require(served.result.parity, out)
    return Proven(
        variant=variant,
        assembled=assembled,
        served=served,
        result=VariantResult(
            name=variant.name,
            backend=variant.backend,
            precision=variant.precision,
            megabytes=converted.result.bytes / 1e6,
            artefact=artefact.result,
            served=served.result.parity,
        ),
    )


def _require(report: ParityReport, out: Path) -> None:
    """Stops the build at the first comparison that failed; every one of them is written down."""
    failed = report.first_problem()
    if failed is None:
        return
    file = write_failure(out, report)
    raise GateError(
        f"{report.variant}: {failed.output} differs from its reference "
        f"({failed.level}, {failed.protocol}, batch {failed.batch})",
        where=failed.model,
        got=failed.problem,
        expected=f"|difference| <= {failed.tolerance.absolute} + {failed.tolerance.relative} * |reference|"
        if failed.tolerance
        else "exactly the reference",
        hint=f"nothing was published; every comparison is in {file}",
    )


def _tell_capture(result: stages.CaptureResult) -> str:
    return (
        f"{result.parameters / 1e6:.2f} M parameters, opset {result.opset}; "
        f"{result.rows} tensors and {result.pictures} pictures answered by the original weights"
    )


def _tell_convert(result: stages.ConvertResult) -> str:
    return f"{result.bytes / 1e6:.1f} MB"


def _tell_assemble(result: stages.AssembleResult) -> str:
    return ", ".join(part.name for part in result.parts)


def _tell_parity(report: ParityReport) -> str:
    count = len(report.comparisons)
    if (failed := report.first_problem()) is not None:
        return f"FAILED: {failed.level}, {failed.output}: {failed.problem}"
    closest = max(report.comparisons, key=lambda comparison: comparison.used)
    return f"{count} of {count} comparisons equal; the closest used {closest.used:.1%} of its allowance"
