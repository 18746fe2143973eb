"""Rules on the ONNX file and the weights beside it: what ONNX Runtime refuses whatever the configuration says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tritonkit.repository.lint.findings import Finding
from tritonkit.spec.ngc import is_since

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tritonkit.repository.lint.findings import ModelFacts, OnnxFile, Repository
    from tritonkit.repository.onnx_models import ExternalData, OnnxModel
    from tritonkit.spec.ngc import Release

# ONNX Runtime 1.24 began to refuse weights outside the model's directory.
WEIGHTS_STAY_INSIDE_SINCE = "26.02"
# ONNX Runtime 1.24.4 began to allow them beside the file that a linked model.onnx leads to.
LINKED_MODELS_SINCE = "26.04"
# The same from ONNX Runtime 1.18 to 1.28.
ML_OPSET = 5


def onnx_readable(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """The file must be an ONNX model, and whole."""
    del repository
    for file in model.onnx:
        if file.error is not None:
            yield Finding(
                file=onnx_path(model, file),
                cause=f"ONNX Runtime cannot read it: {file.error.what} ({file.error.got or file.error.expected})",
                fix="fetch the file itself: git lfs pull"
                if _is_lfs_pointer(file.path)
                else "export or copy the file again, and compare its digest",
            )


def onnx_graph(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """The graph must hang together, of operators that ONNX Runtime has."""
    del repository
    for file, onnx in _models(model):
        for cause in onnx.broken:
            yield Finding(
                file=onnx_path(model, file),
                cause=f"ONNX Runtime refuses the graph: {cause}",
                fix="export the model again; a custom operator needs model_operations.op_library_filename",
            )


def onnx_tensor_kind(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Inputs and outputs are tensors, also those that the configuration leaves out."""
    del repository
    for file, onnx in _models(model):
        for tensor in (*onnx.inputs, *onnx.overridable, *onnx.outputs):
            if tensor.kind != "tensor":
                yield Finding(
                    file=onnx_path(model, file),
                    key=tensor.name,
                    cause=f"Unsupported ONNX Type {tensor.kind!r} for I/O {tensor.name!r}, expected a tensor",
                    fix="remove it from the graph's inputs and outputs, as by skl2onnx's zipmap=False",
                )


def onnx_opset(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """The opset is at most what the release's ONNX Runtime supports officially."""
    release = repository.target.release
    for file, onnx in _models(model):
        for domain, most in (("", release.opset), ("ai.onnx.ml", ML_OPSET)):
            opset = onnx.opsets.get(domain, 0)
            if opset > most:
                yield Finding(
                    file=onnx_path(model, file),
                    key="opset_import",
                    cause=f"official support for domain {domain or 'ai.onnx'} is till opset {most} in {release.name}"
                    f" (ONNX Runtime {release.onnxruntime}), and this is opset {opset}",
                    fix=f"export with opset {most} or less",
                )


def onnx_ir_version(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """The IR version is at most what the release's ONNX Runtime reads."""
    release = repository.target.release
    for file, onnx in _models(model):
        if onnx.ir_version is not None and onnx.ir_version > release.ir_version:
            yield Finding(
                file=onnx_path(model, file),
                key="ir_version",
                cause=f"Unsupported model IR version: {onnx.ir_version}, max supported IR version: {release.ir_version}"
                f" in {release.name} (ONNX Runtime {release.onnxruntime})",
                fix=f"set model.ir_version = {release.ir_version} and save it again",
            )


def external_data(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Weights beside the file must be there, whole, of the size that the tensor needs, and within its directory."""
    for file, onnx in _models(model):
        for location, entries in _by_location(onnx.external_data).items():
            cause = _data_cause(file.path, location, entries, repository.target.release)
            if cause is not None:
                yield Finding(
                    file=_data_file(model, file, location),
                    key=entries[0].tensor,
                    cause=cause,
                    fix="put the whole file, as it was exported, beside the ONNX file",
                )


def external_data_links(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A link to weights elsewhere, or a path that leads there, is followed by some versions of ONNX Runtime."""
    strict = is_since(repository.target.release, WEIGHTS_STAY_INSIDE_SINCE)
    for file, onnx in _models(model):
        for location in _by_location(onnx.external_data):
            path = file.path.parent / location
            if not location or not path.is_file():
                continue
            if _is_outside(path, file.path, repository.target.release):
                if not strict:
                    yield Finding(
                        file=_data_file(model, file, location),
                        cause=f"the weights lie outside the model's directory, which Triton refuses since"
                        f" {WEIGHTS_STAY_INSIDE_SINCE}",
                        fix="copy the file beside the ONNX file",
                    )
            elif path.stat().st_nlink > 1:
                yield Finding(
                    file=_data_file(model, file, location),
                    cause="the weights are a hard link, so that whoever writes the other name changes this model",
                    fix="copy the file",
                )


def op_library(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A library of custom operators must be there, at the path that the server sees."""
    del repository
    if model.config.backend != "onnxruntime":
        return
    for index, name in enumerate(model.config.model_operations.op_library_filename):
        if not Path(name).is_file():
            yield Finding(
                key=f"model_operations.op_library_filename[{index}]",
                cause=f"there is no {name} on this machine, and the server cannot load a library that is not there",
                fix="give the absolute path of the library; if only the server has it, lint with --ignore op-library",
            )


def _is_lfs_pointer(path: Path) -> bool:
    """Whether a clone left the few lines of Git LFS where the file should be."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(24) == b"version https://git-lfs."


def onnx_path(model: ModelFacts, file: OnnxFile) -> str:
    """The file, relative to the repository."""
    return f"{model.name}/{file.path.relative_to(model.folder)}"


def _models(model: ModelFacts) -> list[tuple[OnnxFile, OnnxModel]]:
    return [(file, file.model) for file in model.onnx if file.model is not None]


def _by_location(entries: tuple[ExternalData, ...]) -> dict[str, list[ExternalData]]:
    found: dict[str, list[ExternalData]] = {}
    for entry in entries:
        found.setdefault(entry.location, []).append(entry)
    return found


def _data_cause(model_path: Path, location: str, entries: list[ExternalData], release: Release) -> str | None:
    path = model_path.parent / location
    strict = is_since(release, WEIGHTS_STAY_INSIDE_SINCE)
    if not location:
        return f"tensor {entries[0].tensor!r} is said to lie outside the file, but not where"
    if strict and (location.startswith("/") or _is_outside(path, model_path, release)):
        return f"External data path escapes model directory: {location}"
    if not path.is_file():
        return f"there is no {location}, which holds the weights"
    return next(filter(None, (_size_cause(entry, path.stat().st_size) for entry in entries)), None)


def _size_cause(entry: ExternalData, file_size: int) -> str | None:
    if entry.length is not None and entry.size is not None and entry.length != entry.size:
        return f"size mismatch: tensor {entry.tensor!r} needs {entry.size} bytes and is said to have {entry.length}"
    end = entry.offset + (entry.length or entry.size or 0)
    return f"it is truncated: tensor {entry.tensor!r} ends at byte {end} of {file_size}" if end > file_size else None


def _is_outside(path: Path, model_path: Path, release: Release) -> bool:
    """Whether `path` leads out of the directory of the model, links followed."""
    folders = [model_path.parent.resolve()]
    if is_since(release, LINKED_MODELS_SINCE):
        folders.append(model_path.resolve().parent)
    return not any(path.resolve().is_relative_to(folder) for folder in folders)


def _data_file(model: ModelFacts, file: OnnxFile, location: str) -> str:
    return os.path.normpath(f"{model.name}/{file.path.parent.relative_to(model.folder)}/{location}")
