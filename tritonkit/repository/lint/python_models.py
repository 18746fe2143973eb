"""Rules on models of the python backend, as far as they can be seen without running their code."""

from __future__ import annotations

import ast
import sys
import warnings
from typing import TYPE_CHECKING

from tritonkit.repository.lint.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tritonkit.repository.lint.findings import ModelFacts, Repository

_MODEL_DIRECTORY = "$$TRITON_MODEL_DIRECTORY"


def python_syntax(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """model.py must be Python."""
    wanted = tuple(int(part) for part in repository.target.release.python.split("."))
    for name, path in _sources(model):
        error = _syntax_error(path)
        if error is not None:
            yield Finding(
                file=name,
                key=f"line {error.lineno}" if error.lineno else "",
                # A newer Python than this one may have the syntax.
                severity="error" if sys.version_info[:2] >= wanted else "warning",
                cause=f"it is not Python: {error.msg}",
                fix="mend the syntax",
            )


def python_class(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """model.py must define TritonPythonModel."""
    del repository
    for name, path in _sources(model):
        tree = _tree(path)
        if tree is not None and not _binds(tree, "TritonPythonModel"):
            yield Finding(
                file=name,
                key="TritonPythonModel",
                cause="module 'model' has no attribute 'TritonPythonModel'",
                fix="define `class TritonPythonModel` with a method execute",
            )


def python_execute(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A model without a method execute loads, and fails every request."""
    del repository
    for name, path in _sources(model):
        tree = _tree(path)
        if tree is None:
            continue
        for node in tree.body:
            plain = isinstance(node, ast.ClassDef) and node.name == "TritonPythonModel" and not node.bases
            if plain and isinstance(node, ast.ClassDef) and not _binds(node, "execute"):
                yield Finding(
                    file=name,
                    key="TritonPythonModel.execute",
                    cause="the class has no method execute: the model loads and fails every request",
                    fix="define `def execute(self, requests)`",
                )


def python_parameters(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """FORCE_CPU_ONLY_INPUT_TENSORS is yes or no; an execution environment inside the model must be there."""
    del repository
    parameters = model.config.parameters
    if model.config.backend != "python":
        return
    if "FORCE_CPU_ONLY_INPUT_TENSORS" in parameters:
        value = parameters["FORCE_CPU_ONLY_INPUT_TENSORS"].string_value
        if value not in ("yes", "no"):
            yield Finding(
                key="parameters.FORCE_CPU_ONLY_INPUT_TENSORS",
                cause=f"Incorrect value for FORCE_CPU_ONLY_INPUT_TENSORS: {value}",
                fix='give "yes" or "no"',
            )
    if "EXECUTION_ENV_PATH" in parameters:
        value = parameters["EXECUTION_ENV_PATH"].string_value
        inside = value.removeprefix(_MODEL_DIRECTORY).lstrip("/")
        if value.startswith(_MODEL_DIRECTORY) and not (model.folder / inside).exists():
            yield Finding(
                key="parameters.EXECUTION_ENV_PATH",
                cause=f"there is no {model.name}/{inside}",
                fix="put the archive of the environment there",
            )


def _sources(model: ModelFacts) -> Iterator[tuple[str, Path]]:
    """Each version's source file that is there, with its name relative to the repository."""
    if model.config.backend != "python":
        return
    filename = model.config.default_model_filename or "model.py"
    for version in model.versions.chosen:
        path = model.folder / str(version) / filename
        if path.is_file():
            yield f"{model.name}/{version}/{filename}", path


def _parse(path: Path) -> ast.Module:
    with warnings.catch_warnings():
        # What the source warns of, as an invalid escape, is not this command's to report.
        warnings.simplefilter("ignore")
        return ast.parse(path.read_bytes(), filename=path.name)


def _syntax_error(path: Path) -> SyntaxError | None:
    try:
        _parse(path)
    except SyntaxError as error:
        return error
    except ValueError as error:
        return SyntaxError(str(error))
    return None


def _tree(path: Path) -> ast.Module | None:
    try:
        return _parse(path)
    except (SyntaxError, ValueError):
        return None


def _binds(scope: ast.Module | ast.ClassDef, name: str) -> bool:
    """Whether `scope` may bind `name`: defines, assigns or imports it, anywhere inside; a star import may bind all."""
    for node in ast.walk(scope):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return True
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
            return True
        if isinstance(node, ast.alias) and (node.asname or node.name) in (name, "*"):
            return True
    return False
