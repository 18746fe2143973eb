"""Reads a repository once, into the facts that the rules look at."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tritonkit.repository import config as config_text
from tritonkit.repository.lint.backend_fields import fill_backend_fields
from tritonkit.repository.lint.completion import complete_onnx, normalize
from tritonkit.repository.lint.findings import ModelFacts, OnnxFile, Repository, Target
from tritonkit.repository.lint.versions import read_versions
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from tritonkit.repository.config import ModelConfig


def read_repository(path: Path, target: Target) -> Repository:
    """Every directory of `path`, as the server takes every directory of a repository for a model.

    Raises:
        InputError: `path` is not a readable directory.
    """
    try:
        folders = [entry for entry in path.iterdir() if entry.is_dir()]
    except OSError as error:
        raise InputError("this model repository cannot be read", where=path, got=error.strerror) from error
    folders.sort(key=lambda folder: os.fsencode(folder.name))
    return Repository(target=target, models={folder.name: read_model(folder, target) for folder in folders})


def read_model(folder: Path, target: Target) -> ModelFacts:
    """The facts of the model in `folder`."""
    name = folder.name
    subfolders = tuple(sorted((entry.name for entry in folder.iterdir() if entry.is_dir()), key=os.fsencode))
    text, given, text_error, unknown_word = _read_given(folder / "config.pbtxt", f"{name}/config.pbtxt")
    config = config_text.new_config()
    config.CopyFrom(given)
    backend_error = fill_backend_fields(config, name, folder, subfolders, target.release)
    normalize(config)
    versions = read_versions(subfolders, config)
    onnx = _read_onnx(config, folder, versions.chosen) if config.backend == "onnxruntime" else ()
    completed, completion_error = _complete(config, onnx, target)
    return ModelFacts(
        name=name,
        folder=folder,
        subfolders=subfolders,
        versions=versions,
        text=text,
        text_error=text_error,
        unknown_word=unknown_word,
        given=given,
        config=config,
        backend_error=backend_error,
        completed=completed,
        completion_error=completion_error,
        tensors_known=_tensors_known(folder, completed, versions.chosen, target),
        onnx=onnx,
    )


def _read_given(path: Path, where: str) -> tuple[str | None, ModelConfig, InputError | None, InputError | None]:
    """The text, its configuration, why it is none, and the first word in it that the kit does not know."""
    empty = config_text.new_config()
    if not path.exists():
        return None, empty, None, None
    try:
        # The server reads bytes: what is not UTF-8 does no harm inside a comment.
        text = path.read_bytes().decode(errors="replace")
    except OSError as error:
        return "", empty, InputError("this file cannot be read", where=where, got=error.strerror), None
    try:
        return text, config_text.parse_config(text, where=where), None, None
    except InputError as error:
        try:
            return text, config_text.parse_config(text, where=where, allow_unknown_fields=True), None, error
        except InputError:
            return text, empty, error, None


def _read_onnx(config: ModelConfig, folder: Path, versions: tuple[int, ...]) -> tuple[OnnxFile, ...]:
    return tuple(_read_onnx_file(config, folder, version) for version in versions)


def _read_onnx_file(config: ModelConfig, folder: Path, version: int) -> OnnxFile:
    from tritonkit.repository.onnx_models import read_onnx_model  # noqa: PLC0415 - onnx is slow to import

    path = folder / str(version) / (config.default_model_filename or "model.onnx")
    if path.is_dir():
        path /= "model.onnx"
    if not path.exists():
        return OnnxFile(version=version, path=path)
    has_custom_operators = bool(config.model_operations.op_library_filename)
    try:
        model = read_onnx_model(path, has_custom_operators=has_custom_operators)
    except InputError as error:
        return OnnxFile(version=version, path=path, error=error)
    return OnnxFile(version=version, path=path, model=model)


def _complete(config: ModelConfig, onnx: tuple[OnnxFile, ...], target: Target) -> tuple[ModelConfig, str | None]:
    model = next((file.model for file in onnx if file.model is not None), None)
    if not target.auto_complete or model is None:
        return config, None
    return complete_onnx(config, model, target.release)


def _tensors_known(folder: Path, completed: ModelConfig, versions: tuple[int, ...], target: Target) -> bool:
    """Whether no backend may add inputs or outputs that cannot be seen from here."""
    if not target.auto_complete or completed.backend in ("", "onnxruntime"):
        return True
    if completed.backend != "python":
        return bool(completed.input and completed.output)
    sources = (folder / str(version) / (completed.default_model_filename or "model.py") for version in versions)
    return not any(source.is_file() and b"auto_complete_config" in source.read_bytes() for source in sources)
