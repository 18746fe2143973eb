"""Is this folder a candidate that passed its gates, bit for bit, and nothing else?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tritonkit.repository.digests import file_digest, first_difference, read_tree
from tritonkit.repository.layout import CANDIDATE_VERSION, CONFIG, MANIFEST, PARITY, SIGNATURE, read_manifest
from tritonkit.repository.lint import lint_repository
from tritonkit.spec.errors import GateError, InputError
from tritonkit.spec.ngc import release
from tritonkit.spec.parity import ParityReport

if TYPE_CHECKING:
    from pathlib import Path

    from tritonkit.spec.manifest import Manifest, Tree

_LEVELS = ("served", "end_to_end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A candidate that was checked.

    Attributes:
        repository: its folder.
        manifest: what is in it.
    """

    repository: Path
    manifest: Manifest

    @property
    def version_folder(self) -> Path:
        """The ensemble's version folder, with manifest, proof and golden bundle."""
        return self.repository / self.manifest.name / str(CANDIDATE_VERSION)

    @property
    def sha256(self) -> str:
        """Digest of the manifest: the candidate's identity."""
        return file_digest(self.version_folder / MANIFEST)


def check_candidate(repository: Path) -> Candidate:
    """Checks that `repository` is a candidate that passed its gates, bit for bit, and that Triton will load it.

    Raises:
        InputError: there is no candidate, or it holds links.
        GateError: its proof is missing, did not pass, or is about other files than these; its folders are not those of
            an ensemble and its parts; lint says that a model will not load.
    """
    folder = _version_folder(repository)
    manifest = read_manifest(folder)
    if manifest.name != folder.parent.name:
        raise GateError("the manifest is another model's", where=folder / MANIFEST, got=manifest.name)
    candidate = Candidate(repository=repository, manifest=manifest)
    _check_proof(candidate)
    difference = first_difference(manifest.tree, read_candidate(repository, manifest.name))
    if difference is not None:
        raise GateError(
            "the candidate is no longer what was proven", where=repository, got=difference, hint="build it again"
        )
    _check_folders(candidate)
    _check_lint(candidate)
    return candidate


def read_candidate(repository: Path, name: str) -> Tree:
    """What a candidate's manifest lists: everything but the manifest and its signature."""
    place = f"{name}/{CANDIDATE_VERSION}"
    return read_tree(repository, without=(f"{place}/{MANIFEST}", f"{place}/{SIGNATURE}"))


def _version_folder(repository: Path) -> Path:
    found = sorted(repository.glob(f"*/{CANDIDATE_VERSION}/{MANIFEST}"))
    if len(found) != 1:
        raise InputError(
            "this is no candidate",
            where=repository,
            got=f"{len(found)} manifests",
            expected="the folder `repository` of one build",
            hint="tritonkit build makes it",
        )
    return found[0].parent


def _check_proof(candidate: Candidate) -> None:
    proof = candidate.version_folder / PARITY
    if not proof.is_file() or file_digest(proof) != candidate.manifest.parity_sha256:
        raise GateError(
            "the proof of served parity is not the one of this manifest", where=proof, hint="build the candidate again"
        )
    try:
        report = ParityReport.model_validate_json(proof.read_bytes())
    except ValueError as error:
        raise GateError("the proof cannot be read", where=proof, got=str(error).partition("\n")[0]) from None
    if (report.name, report.variant) != (candidate.manifest.name, candidate.manifest.variant):
        raise GateError("the proof is another model's", where=proof, got=f"{report.name}, {report.variant}")
    asked = {(comparison.level, comparison.protocol) for comparison in report.comparisons}
    protocols = ("grpc",) if "http" in report.not_offered else ("grpc", "http")
    needed = {(level, protocol) for level in _LEVELS for protocol in protocols}
    if not report.passed or report.first_problem() is not None or not asked >= needed:
        raise GateError("the candidate did not pass served parity over both protocols", where=proof)


def _check_folders(candidate: Candidate) -> None:
    """The digests are the builder's word; what Triton makes of a folder's name is checked whoever wrote it."""
    models = {candidate.manifest.name, *(part.name for part in candidate.manifest.parts)}
    entries = {entry.name for entry in candidate.repository.iterdir()}
    if entries != models:
        odd = min(entries ^ models)
        raise GateError(
            "a candidate holds one served model and its parts",
            where=candidate.repository / odd,
            got="more" if odd in entries else "nothing",
        )
    for model in sorted(models):
        for entry in sorted((candidate.repository / model).iterdir()):
            if entry.is_dir() and entry.name != str(CANDIDATE_VERSION) and not entry.name[0].isalpha():
                raise GateError(
                    "Triton would read this folder as a version", where=entry, expected=f"{CANDIDATE_VERSION} alone"
                )
        if not (candidate.repository / model / CONFIG).is_file():
            raise GateError("a model has no configuration", where=candidate.repository / model / CONFIG)


def _check_lint(candidate: Candidate) -> None:
    # The server's host decides about GPUs, not the publisher's.
    report = lint_repository(candidate.repository, release(candidate.manifest.target), gpus=True, auto_complete=False)
    for verdict in report.models:
        for problem in verdict.problems:
            if problem.severity == "error":
                raise GateError(
                    "this model will not load",
                    where=candidate.repository / problem.file,
                    got=problem.cause,
                    hint=problem.fix,
                )
