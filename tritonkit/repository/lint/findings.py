"""What a rule is, what it is given and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tritonkit.repository.config import ModelConfig
    from tritonkit.repository.lint.versions import Versions
    from tritonkit.repository.onnx_models import OnnxModel
    from tritonkit.spec.errors import InputError
    from tritonkit.spec.lint_report import Severity
    from tritonkit.spec.ngc import Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The server that the verdict is about.

    Attributes:
        release: its NGC release.
        gpus: whether its host has GPUs.
        auto_complete: whether it completes configurations, as it does without `--disable-auto-complete-config`.
    """

    release: Release
    gpus: bool
    auto_complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxFile:
    """The ONNX file of one version: what was read, or why it could not be."""

    version: int
    path: Path
    model: OnnxModel | None = None
    error: InputError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """One directory of the repository, read once, before any rule runs.

    Attributes:
        name: the directory's name, which is the name that the model is served under.
        folder: the directory.
        subfolders: names of its directories, sorted by bytes as the server sorts them.
        versions: which of them are versions and which of those the version policy chooses.
        text: of `config.pbtxt`; `None` without one.
        text_error: why the text is not a ModelConfig; the configurations below are then empty.
        unknown_word: the text is well formed but has a field or value that the kit's ModelConfig lacks.
        given: the configuration as it stands in the file.
        config: the configuration as the server fills it in before it asks the backend.
        backend_error: why no backend could be filled in.
        completed: the configuration after the backend has completed it, for the newest chosen version.
        completion_error: why the backend cannot complete it.
        tensors_known: whether `completed` names all inputs and outputs, or a backend would add some unseen.
        onnx: the ONNX file of each chosen version, if the model is one of the onnxruntime backend.
    """

    name: str
    folder: Path
    subfolders: tuple[str, ...]
    versions: Versions
    text: str | None
    text_error: InputError | None
    unknown_word: InputError | None
    given: ModelConfig
    config: ModelConfig
    backend_error: str | None
    completed: ModelConfig
    completion_error: str | None
    tensors_known: bool
    onnx: tuple[OnnxFile, ...]

    @property
    def is_ensemble(self) -> bool:
        """Whether the model is a pipeline of other models."""
        return bool(self.config.platform == "ensemble" or self.config.HasField("ensemble_scheduling"))

    @property
    def config_file(self) -> str:
        """The configuration's path, relative to the repository."""
        return f"{self.name}/config.pbtxt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """All models of a repository and the server that is to load them.

    Attributes:
        target: that server.
        models: by name.
        failing: models that are already known not to load, with the reason; filled before ensembles are judged.
    """

    target: Target
    models: Mapping[str, ModelFacts]
    failing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One breach of a rule, which the rule's own id completes to a `Problem`.

    Attributes:
        cause: what is wrong and what the server does about it.
        fix: what to change.
        key: the key in `file`; empty if the whole file is at fault.
        file: relative to the repository; `None` is the model's `config.pbtxt`.
        severity: `None` is the rule's own.
    """

    cause: str
    fix: str
    key: str = ""
    file: str | None = None
    severity: Severity | None = None


Check = Callable[[ModelFacts, Repository], Iterator[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of the table.

    Attributes:
        id: stable, as it appears in reports.
        check: yields what breaks it; its docstring says what the rule is.
        source: where Triton says or does so: a file and function of its sources, or `measured`.
        severity: of its findings, unless one says otherwise.
        needs_config: runs only on a configuration that could be read.
    """

    id: str
    check: Check
    source: str
    severity: Severity = "error"
    needs_config: bool = True
