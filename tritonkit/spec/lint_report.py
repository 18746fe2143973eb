"""What `tritonkit lint` says of a model repository, without a server."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Severity = Literal["error", "warning"]


class LintDocument(BaseModel):
    """What every part of the report has in common: frozen, and no key that nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Problem(LintDocument):
    """One rule that a model breaks."""

    rule: str = Field(description="Identifier of the rule; docs/lint.md explains each.")
    severity: Severity = Field(description="An error keeps the model from loading; a warning does not.")
    file: str = Field(description="The file or directory at fault, relative to the repository.")
    key: str = Field(description="The key inside that file, e.g. `input[0].dims`; empty if the whole file is at fault.")
    cause: str = Field(description="What is wrong and what the server does about it, in one line.")
    fix: str = Field(description="What to change, in one line.")


class ModelVerdict(LintDocument):
    """Whether one model loads, and why not."""

    name: str = Field(description="The model's directory name, which is its served name.")
    loads: bool = Field(description="Whether the target release loads it.")
    problems: tuple[Problem, ...]


class LintReport(LintDocument):
    """The verdict on every model of a repository."""

    models: tuple[ModelVerdict, ...]

    @property
    def loads(self) -> bool:
        """Whether every model loads."""
        return all(model.loads for model in self.models)
