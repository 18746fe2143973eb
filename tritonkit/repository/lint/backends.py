"""Rules on the backend, its library and the file that it loads."""

from __future__ import annotations

import difflib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from tritonkit.repository.lint.backend_fields import (
    BACKEND_OF_PLATFORM,
    KNOWN_BACKENDS,
    LAST_TENSORFLOW_RELEASE,
    OTHER_FLAVOUR_BACKENDS,
    OTHER_IMAGE_BACKENDS,
    PAIRED_BACKENDS,
)
from tritonkit.repository.lint.findings import Finding
from tritonkit.repository.lint.layout import is_stray
from tritonkit.spec.ngc import is_since
from tritonkit.spec.ngc import release as find_release

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tritonkit.repository.lint.findings import ModelFacts, Repository
    from tritonkit.spec.ngc import Release

_IMAGE_BACKENDS = (*(known.name for known in KNOWN_BACKENDS), *OTHER_IMAGE_BACKENDS)
_BACKENDS_OF_ONE_FILE = {known.name: known for known in KNOWN_BACKENDS}


def backend_undetermined(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A configuration must name a backend or a platform that the server knows, unless the model's file tells."""
    del repository
    if model.is_ensemble or model.text is None:
        return
    config = model.config
    if model.backend_error is not None:
        yield Finding(
            key="backend",
            cause="it names no backend, and no file in a version directory tells of one",
            fix='name it, as backend: "onnxruntime"',
        )
    elif not config.backend:
        near = difflib.get_close_matches(config.platform, BACKEND_OF_PLATFORM, n=1, cutoff=0.4)
        meant = f', as backend: "{BACKEND_OF_PLATFORM[near[0]]}"' if near else ', as backend: "onnxruntime"'
        yield Finding(
            key="platform" if config.platform else "backend",
            cause=f"no backend belongs to platform {config.platform!r}"
            + (f" and file {config.default_model_filename!r}" if config.default_model_filename else ""),
            fix=f"name the backend{meant}",
        )


def backend_platform_pair(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """`platform` and `backend` of the old backends must belong together."""
    config = model.config
    backend, platform = config.backend, config.platform
    if backend in PAIRED_BACKENDS and BACKEND_OF_PLATFORM.get(platform) != backend:
        if backend == "pytorch" and platform == "torch_aoti" and is_since(repository.target.release, "26.03"):
            return
        yield Finding(
            key="platform",
            cause=f"platform {platform!r} and backend {backend!r} do not belong together",
            fix="leave `platform` out",
        )


def backend_unknown(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """The image must have the backend's library, or the model must bring it."""
    backend = model.config.backend
    release = repository.target.release
    if not backend or model.config.runtime or is_stray(model):
        return
    if _is_in_image(backend, release) or _brings_library(model, backend):
        return
    if backend in OTHER_FLAVOUR_BACKENDS:
        yield Finding(
            key="backend",
            severity="warning",
            cause=f"backend {backend!r} is not in the -py3 image but in a flavour of its own",
            fix="serve it with the image of that flavour",
        )
        return
    near = difflib.get_close_matches(backend, _IMAGE_BACKENDS, n=1)
    yield Finding(
        key="backend",
        cause=f"unable to find backend library for backend {backend!r}: {release.name} has none"
        + (f" (TensorFlow was last in {LAST_TENSORFLOW_RELEASE})" if backend == "tensorflow" else ""),
        fix=f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(_IMAGE_BACKENDS)}",
    )


def backend_runtime(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """`runtime` names the library file; one that is nowhere, or outside the backend's folder, fails the load."""
    del repository
    runtime, backend = model.config.runtime, model.config.backend
    if not runtime or not backend or runtime == f"libtriton_{backend}.so":
        return
    # Python-based backends of the image: their runtime is a model.py.
    if runtime == "model.py" and backend in ("python", "pytorch", *OTHER_FLAVOUR_BACKENDS):
        return
    folders = [model.folder, *(model.folder / str(version) for version in model.versions.chosen)]
    if "/" not in runtime and any((folder / runtime).is_file() for folder in folders):
        return
    yield Finding(
        key="runtime",
        cause=f"backend {backend!r} has no library {runtime!r}",
        fix="leave `runtime` out",
    )


def model_file(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Each chosen version must hold the file that the backend loads."""
    del repository
    known = _BACKENDS_OF_ONE_FILE.get(model.config.backend)
    if known is None or (model.config.runtime == "model.py" and known.name != "python"):
        return
    filename = model.config.default_model_filename or known.filename
    for version in model.versions.chosen:
        folder = model.folder / str(version)
        path = folder / filename
        if path.is_dir() and known.name == "onnxruntime":
            path /= "model.onnx"
        if path.is_file() or not folder.is_dir():
            continue
        yield Finding(
            file=f"{model.name}/{version}/{path.relative_to(folder)}",
            key="default_model_filename" if model.given.default_model_filename else "",
            cause=f"version {version} has no {path.relative_to(folder)}"
            + ("" if any(folder.iterdir()) else ": its directory is empty, which can leave a server waiting for ever"),
            fix=_fix_for_missing_file(folder.iterdir(), filename),
        )


def model_file_outside(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A file name that leads out of the version directory is followed, past everything that verifies the model."""
    del repository
    names = {"default_model_filename": model.given.default_model_filename}
    names |= {f"cc_model_filenames.{key}": name for key, name in model.given.cc_model_filenames.items()}
    for key, name in names.items():
        if ".." in PurePosixPath(name).parts:
            yield Finding(
                key=key,
                cause=f"{name} is outside the version directory: the model changes without its version",
                fix="put the file into the version directory",
            )


def repository_agent(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A repository agent must be in the image, which has `checksum`."""
    del repository
    for index, agent in enumerate(model.config.model_repository_agents.agents):
        if agent.name != "checksum":
            yield Finding(
                key=f"model_repository_agents.agents[{index}].name",
                cause=f"the image has no repository agent {agent.name!r}",
                fix="leave it out; the image has `checksum`",
            )


def batch_strategy(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A custom batching library cannot be given with a sequence batcher."""
    del repository
    if "TRITON_BATCH_STRATEGY_PATH" in model.config.parameters and model.config.HasField("sequence_batching"):
        yield Finding(
            key="parameters.TRITON_BATCH_STRATEGY_PATH",
            cause="a custom batching library cannot be given with a sequence batcher",
            fix="leave one of the two out",
        )


def _is_in_image(backend: str, release: Release) -> bool:
    if backend == "tensorflow":
        return release.key <= find_release(LAST_TENSORFLOW_RELEASE).key
    return backend in _IMAGE_BACKENDS


def _brings_library(model: ModelFacts, backend: str) -> bool:
    folders = [model.folder, *(model.folder / str(version) for version in model.versions.chosen)]
    return any((folder / f"libtriton_{backend}.so").is_file() for folder in folders)


def _fix_for_missing_file(entries: Iterator[object], filename: str) -> str:
    suffix = filename.rpartition(".")[2]
    candidates = sorted(name for entry in entries if (name := str(getattr(entry, "name", ""))).endswith(f".{suffix}"))
    if candidates:
        return f'rename {candidates[0]} to {filename}, or set default_model_filename: "{candidates[0]}"'
    return f"put {filename} into it"
