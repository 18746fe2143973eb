"""A build that passed -> the candidate's folder, written whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from builder.golden import read_golden
from tritonkit.repository.digests import file_digest, read_tree, text_digest
from tritonkit.repository.layout import CANDIDATE_VERSION, GOLDEN, MANIFEST, PARITY
from tritonkit.spec.manifest import Manifest, Part
from tritonkit.spec.reports import BuildReport

if TYPE_CHECKING:
    from builder.stage import Finished
    from builder.stages import AssembleResult, CaptureResult, ServedResult
    from tritonkit.spec.model import ModelSpec
    from tritonkit.spec.parity import ParityReport
    from tritonkit.spec.reports import StageRun, VariantResult
    from tritonkit.spec.skew import SkewReport

_TOOLS = ("tritonkit", "torch", "torchvision", "onnx", "onnxscript", "onnxruntime", "numpy", "pillow", "tritonclient")


def write_candidate(
    out: Path,
    *,
    spec: ModelSpec,
    spec_file: Path,
    weights_sha256: str,
    captured: Finished[CaptureResult],
    assembled: Finished[AssembleResult],
    served: ServedResult,
    variants: tuple[VariantResult, ...],
    runs: tuple[StageRun, ...],
    skew: Finished[SkewReport] | None = None,
) -> BuildReport:
    """Replaces `out` by the candidate: `repository/` with manifest and golden bundle, `build.json`, `pictures/`,
    and `skew/` where skew was checked.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        staged.chmod(0o755)
        repository = staged / "repository"
        shutil.copytree(assembled.out / "repository", repository)
        version_folder = repository / spec.name / str(CANDIDATE_VERSION)
        shutil.copytree(assembled.out / "golden", version_folder / GOLDEN)
        (version_folder / PARITY).write_text(served.parity.model_dump_json(indent=1) + "\n")
        manifest = _manifest(spec, spec_file, weights_sha256, assembled.result, served, version_folder, repository)
        text = manifest.model_dump_json(indent=1) + "\n"
        (version_folder / MANIFEST).write_text(text)
        shutil.copytree(captured.out / "pictures", staged / "pictures")
        _write_drawn(version_folder / GOLDEN, staged / "drawn")
        if skew is not None:
            shutil.copytree(skew.out / "skew", staged / "skew")
        report = BuildReport(
            name=spec.name,
            description=spec.description,
            target=spec.target.triton,
            variant=spec.serving.variant,
            parameters=captured.result.parameters,
            opset=captured.result.opset,
            ir_version=captured.result.ir_version,
            inputs=spec.inputs,
            outputs=spec.outputs,
            weights=spec.source.named_file(),
            weights_sha256=weights_sha256,
            repository=str(out / "repository"),
            manifest_sha256=text_digest(text),
            stages=runs,
            variants=variants,
            skew=skew.result if skew is not None else None,
            tools=manifest.tools,
            built_at=manifest.built_at,
            command=f"tritonkit build {spec_file.parent} --out {out}",
        )
        (staged / "build.json").write_text(report.model_dump_json(indent=1) + "\n")
        _replace(out, staged)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    return report


def _write_drawn(golden: Path, folder: Path) -> None:
    """Writes the pictures that the golden bundle expects in answers, for people and the report."""
    bundle = read_golden(golden)
    for question in bundle.bundle.questions:
        for output, expect in question.outputs.items():
            if expect.levels is None or expect.array is None:
                continue
            folder.mkdir(exist_ok=True)
            for sample, row in zip(question.samples, bundle.arrays[expect.array], strict=True):
                for index, picture in enumerate(row.ravel()):
                    (folder / f"{sample} {output}{f' {index}' if row.size > 1 else ''}").write_bytes(picture)


def write_failure(out: Path, report: ParityReport) -> Path:
    """Writes the comparisons of a failed gate beside whatever `out` holds, and returns the file."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / "failed.json"
    file.write_text(report.model_dump_json(indent=1) + "\n")
    return file


def _manifest(
    spec: ModelSpec,
    spec_file: Path,
    weights_sha256: str,
    assembled: AssembleResult,
    served: ServedResult,
    version_folder: Path,
    repository: Path,
) -> Manifest:
    return Manifest(
        name=spec.name,
        variant=spec.serving.variant,
        target=spec.target.triton,
        parts=tuple(
            Part.model_validate(
                {
                    "name": part.name,
                    "role": part.role,
                    "backend": part.backend,
                    "digest": part.digest,
                    # The versions that the served gate ran with.
                    "python_packages": {name: served.packages[name] for name in part.packages},
                }
            )
            for part in assembled.parts
        ),
        tree=read_tree(repository),
        weights_sha256=weights_sha256,
        spec_sha256=file_digest(spec_file),
        parity_sha256=file_digest(version_folder / PARITY),
        tools=_tool_versions() | {"server": served.parity.server},
        built_at=served.proven_at,
    )


def _tool_versions() -> dict[str, str]:
    found = {}
    for name in _TOOLS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _replace(out: Path, staged: Path) -> None:
    """Puts `staged` in the place of `out`; whoever looks sees the one or the other."""
    if out.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent))
        out.rename(old / "old")
        staged.rename(out)
        shutil.rmtree(old)
    else:
        staged.rename(out)
