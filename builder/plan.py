"""A spec and every file that it names, and what of them each stage is asked and reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder import stages
from builder.pipeline import roles, step_of
from builder.placement import takes_pixels
from tritonkit.spec.model import load_model_spec
from tritonkit.spec.references import find_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tritonkit.spec.gates import SkewGate
    from tritonkit.spec.model import ModelSpec, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A spec and the files that it names, all of them found.

    Attributes:
        spec: the spec.
        file: its model.yaml.
        weights: the file with the trained numbers.
        steps: what lies beside the Python steps, as `file/ROLE/NAME`.
        pictures: real pictures by file name.
        requests: real requests of other kinds.
    """

    spec: ModelSpec
    file: Path
    weights: Path
    steps: Mapping[str, Path]
    pictures: Mapping[str, Path]
    requests: Path | None


def make_plan(path: Path) -> Plan:
    """Reads the spec and finds every file that it names, before any work is done."""
    spec = load_model_spec(path)
    file = path / "model.yaml" if path.is_dir() else path
    folder = file.parent.absolute()
    pictures = [find_file(reference, folder, "samples.pictures") for reference in spec.samples.pictures]
    steps = {
        f"file/{role}/{name}": find_file(reference, folder, f"{role}.{name}")
        for role in roles(spec)
        if (step := step_of(spec, role)) is not None
        for name, reference in step.files.items()
    }
    return Plan(
        spec=spec,
        file=file,
        weights=find_file(spec.source.named_file(), folder, "source.weights" if spec.source.weights else "source.file"),
        steps=steps,
        pictures={picture.name: picture for picture in pictures},
        requests=find_file(spec.samples.requests, folder, "samples.requests") if spec.samples.requests else None,
    )


def capture_request(spec: ModelSpec) -> stages.CaptureRequest:
    """What the capture is told of the spec: a change of anything else captures nothing anew."""
    return stages.CaptureRequest(
        source=spec.source,
        inputs=spec.inputs,
        outputs=spec.outputs,
        preprocess=spec.preprocess,
        samples=spec.samples,
        target=spec.target.triton,
        batched=spec.serving.max_batch_size > 0,
        exports=any(variant.backend != "python" for variant in spec.variants),
        served_in_torch=any(variant.backend == "python" for variant in spec.variants),
        pixels=any(takes_pixels(variant) for variant in spec.variants),
        sequence_batching=spec.serving.sequence_batching,
    )


def capture_inputs(plan: Plan) -> dict[str, Path]:
    """The files that the capture reads."""
    # What postprocessing reads changes no answer of the network.
    before = {name: path for name, path in plan.steps.items() if name.startswith(("file/preprocess/", "file/model/"))}
    requests = {"requests": plan.requests} if plan.requests is not None else {}
    pictures = {f"picture/{name}": path for name, path in plan.pictures.items()}
    return {"weights": plan.weights, **code_beside(plan), **pictures, **requests, **before, **_external_data(plan)}


def convert_request(spec: ModelSpec, variant: Variant) -> stages.ConvertRequest:
    """What the conversion of one variant is told."""
    return stages.ConvertRequest(
        variant=variant,
        target=spec.target.triton,
        source=spec.source,
        inputs=spec.inputs,
        outputs=spec.outputs,
        batched=spec.serving.max_batch_size > 0,
        threads=threads_of(spec),
        preprocess=spec.preprocess if variant.calibration is not None or variant.placement == "graph" else None,
        min_agreement=spec.gates.accuracy.min_agreement,
    )


def convert_inputs(plan: Plan, variant: Variant, captured: Path) -> dict[str, Path]:
    """The files that the conversion of one variant reads."""
    if plan.spec.source.stream is not None:
        return {"captured": captured, **plan.steps}
    own = {"weights": plan.weights, **code_beside(plan)} if variant.backend == "python" else {}
    samples = code_beside(plan) if variant.calibration is not None else {}
    return {"captured": captured, **own, **samples}


def skew_request(
    spec: ModelSpec, gate: SkewGate, variant: Variant, assembled: stages.AssembleResult
) -> stages.SkewRequest:
    """What the check of skew is told: the parts of the spec that both preprocessings and the network depend on."""
    return stages.SkewRequest(
        gate=gate,
        variant=variant,
        source=spec.source,
        inputs=spec.inputs,
        outputs=spec.outputs,
        preprocess=spec.preprocess,
        batched=spec.serving.max_batch_size > 0,
        part=assembled.names().of("preprocess"),
        target=spec.target.triton,
        requirements=assembled.requirements(),
    )


def code_beside(plan: Plan) -> dict[str, Path]:
    """Every Python file beside model.yaml, but those that are postprocessing alone."""
    folder = plan.file.parent
    after = {path.absolute() for name, path in plan.steps.items() if name.startswith("file/postprocess/")}
    files = [path for path in sorted(folder.rglob("*.py")) if not any(part.startswith(".") for part in path.parts)]
    return {f"code/{path.relative_to(folder).as_posix()}": path for path in files if path.absolute() not in after}


def _external_data(plan: Plan) -> dict[str, Path]:
    """Of an ONNX file, what lies in its folder with it: its weights may be there."""
    if plan.weights.suffix != ".onnx":
        return {}
    beside = [path for path in sorted(plan.weights.parent.iterdir()) if path.is_file() and path != plan.weights]
    data = [path for path in beside if path.name.startswith(plan.weights.stem) or ".data" in path.name]
    return {f"beside/{path.name}": path for path in data}


def threads_of(spec: ModelSpec) -> int:
    """Threads of one instance, as the server will have them."""
    return int(spec.serving.parameters.get("intra_op_thread_count", "1"))
