"""What is in a candidate and what is in a published version: digests of everything, and where it came from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tritonkit.spec.model import Document, Name

PartName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,199}$")]
"""A folder's name in a repository, so nothing that leads out of it or that Triton reads otherwise."""


class Tree(Document):
    """Every file and every folder below a root.

    The folders count too: an added empty version folder changes no file, yet keeps Triton from starting.
    """

    files: dict[str, str] = Field(description="sha256 by path, with forward slashes.")
    directories: tuple[str, ...] = Field(description="Every folder, sorted.")


class Part(Document):
    """A composing model of the ensemble; or the served model itself, where it is served alone."""

    name: PartName = Field(
        description="Name in the repository: of a composing model, it ends in the first digits of the part's own digest."
    )
    role: Literal["preprocess", "model", "postprocess"]
    backend: str = Field(description="Triton backend that runs it.")
    digest: str = Field(description="sha256 over the part's files, with its name left out of its configuration.")
    python_packages: dict[str, str] = Field({}, description="What its Python step imports, and the version proven.")


class Manifest(Document):
    """`manifest.json` in the ensemble's version folder of a verified candidate."""

    schema_version: Literal[1] = 1
    name: Name = Field(description="The served name.")
    variant: str
    target: str = Field(description="NGC release that it was built for.")
    parts: tuple[Part, ...]
    tree: Tree = Field(description="Everything in the candidate's repository but this file.")
    weights_sha256: str = Field(description="Digest of the weights that were evaluated.")
    spec_sha256: str = Field(description="Digest of model.yaml.")
    parity_sha256: str = Field(
        description="Digest of parity.json: without a passed served parity nothing is published."
    )
    tools: dict[str, str] = Field(description="Versions of what built it.")
    built_at: str = Field(description="ISO 8601, UTC.")

    def called_parts(self) -> tuple[Part, ...]:
        """The parts that have folders of their own, because an ensemble calls them."""
        return tuple(part for part in self.parts if part.name != self.name)


class PublishedVersion(Document):
    """`published.json` in the ensemble's version folder: one line of the repository's ledger.

    It says what happened, not what is there: that follows from manifest.json alone.
    """

    schema_version: Literal[1] = 1
    name: Name
    version: int = Field(ge=1, description="Never used again, whatever becomes of the version.")
    candidate_sha256: str = Field(description="Digest of manifest.json: what was published.")
    replaces: int | None = Field(None, description="The version that was served until then: where a rollback leads.")
    published_at: str = Field(description="ISO 8601, UTC.")
    pruned_at: str | None = Field(None, description="When its files were removed, of which this line remains.")
