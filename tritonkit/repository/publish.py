"""A verified candidate -> the next version in a model repository, and back.

Everything new is put beside what is served, by renames of whole folders; then one `os.replace` of the ensemble's
`config.pbtxt` is the commit. Whoever reads the repository, at any moment and after any kill, sees the old version whole
or the new one whole. A part never changes under its name, so versions share what is equal, and a version that is still
served keeps what it calls.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tritonkit.repository.config import read_config, write_config
from tritonkit.repository.digests import file_digest, first_difference, read_tree, tree_digest
from tritonkit.repository.layout import (
    CANDIDATE_VERSION,
    CONFIG,
    MANIFEST,
    PARITY,
    PUBLISHED,
    published_versions,
    read_manifest,
    served_version,
    version_numbers,
)
from tritonkit.spec.errors import ConflictError, GateError, InputError
from tritonkit.spec.manifest import Manifest, PublishedVersion
from tritonkit.spec.parity import ParityReport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK = ".tritonkit.lock"
"""A file in the repository's root: Triton takes folders there for models, and leaves files alone."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a publication or a rollback did.

    Attributes:
        name: the served name.
        version: the version that is served now.
        before: the version that was served; `None` for the first one.
    """

    name: str
    version: int
    before: int | None

    @property
    def changed(self) -> bool:
        """Whether a live server has anything to load."""
        return self.version != self.before


def check_candidate(repository: Path) -> Candidate:
    """Checks that `repository` is a candidate that passed its gates, bit for bit.

    Raises:
        InputError: there is no candidate.
        GateError: its proof is missing, did not pass, or is about other files than these.
    """
    found = sorted(repository.glob(f"*/{CANDIDATE_VERSION}/{MANIFEST}"))
    if len(found) != 1:
        raise InputError(
            "this is no candidate",
            where=repository,
            got=f"{len(found)} manifests",
            expected="the folder `repository` of one build",
            hint="tritonkit build makes it",
        )
    folder = found[0].parent
    manifest = read_manifest(folder)
    proof = folder / PARITY
    if not proof.is_file() or file_digest(proof) != manifest.parity_sha256:
        raise GateError(
            "the proof of served parity is not the one of this manifest", where=proof, hint="build the candidate again"
        )
    report = ParityReport.model_validate_json(proof.read_bytes())
    asked = {(comparison.level, comparison.protocol) for comparison in report.comparisons}
    wanted = {("served", "grpc"), ("served", "http"), ("end_to_end", "grpc"), ("end_to_end", "http")}
    if not report.passed or not asked >= wanted:
        raise GateError("the candidate did not pass served parity over both protocols", where=proof)
    name = folder.relative_to(repository).as_posix()
    difference = first_difference(manifest.tree, read_tree(repository, without=(f"{name}/{MANIFEST}",)))
    if difference is not None:
        raise GateError(
            "the candidate is no longer what was proven", where=repository, got=difference, hint="build it again"
        )
    return Candidate(repository=repository, manifest=manifest)


def publish(candidate: Candidate, repository: Path) -> Change:
    """Puts `candidate` into `repository` and makes it the served version of its name.

    A candidate that was published there before is not published again: its version is served again.

    Raises:
        ConflictError: another publisher is at work, or a part's name is taken by other content.
        InputError: `repository` is a file or the root of a file system.
    """
    name = candidate.manifest.name
    with _only_publisher(repository) as staging:
        before = served_version(repository, name)
        number = _number_of(candidate, repository)
        if number is None:
            for part in candidate.manifest.parts:
                _put_part(candidate, part.name, repository, staging)
            number = max(version_numbers(repository / name), default=0) + 1
            _put_version(candidate, number, repository, staging)
        return _commit(repository, name, number, before, staging)


def rollback(repository: Path, name: str, version: int | None = None) -> Change:
    """Serves an earlier version of `name` again: `version`, or the one published before the served one.

    Raises:
        ConflictError: another publisher is at work.
        InputError: there is no such version.
        GateError: a part that it calls is no longer what was published.
    """
    with _only_publisher(repository) as staging:
        before = served_version(repository, name)
        ledger = published_versions(repository, name)
        target = version or max((number for number in ledger if before is None or number < before), default=None)
        if target is None or target not in ledger:
            raise InputError(
                f"{name} has no such version" if version else f"{name} has no earlier version",
                where=repository,
                got=version or before,
                expected=f"one of {', '.join(map(str, ledger))}" if ledger else "a published version",
            )
        for part, digest in ledger[target].parts.items():
            _check_part(repository / part, digest)
        return _commit(repository, name, target, before, staging)


@contextmanager
def _only_publisher(repository: Path) -> Iterator[Path]:
    """Holds the repository's lock; yields an empty staging folder outside of it, on the same file system."""
    repository = repository.absolute()
    repository.mkdir(parents=True, exist_ok=True)
    if repository.stat().st_dev != repository.parent.stat().st_dev:
        raise InputError(
            "the repository is the root of a file system, which leaves no room beside it to stage in",
            where=repository,
            hint="make a folder in it and publish there; Triton must not mount a volume's root (lost+found)",
        )
    with (repository / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                "another publisher is at work in this repository", where=repository, hint="try again when it is done"
            ) from None
        staging = repository.parent / f".{repository.name}.staging"
        # What is there was left by a publisher that was killed: this one holds the lock.
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _number_of(candidate: Candidate, repository: Path) -> int | None:
    """The version under which this very candidate lies in the repository already."""
    digest = file_digest(candidate.version_folder / MANIFEST)
    ledger = published_versions(repository, candidate.manifest.name)
    return next((number for number, line in ledger.items() if line.candidate_sha256 == digest), None)


def _put_part(candidate: Candidate, name: str, repository: Path, staging: Path) -> None:
    source = candidate.repository / name
    if (repository / name).is_dir():
        difference = first_difference(read_tree(source), read_tree(repository / name))
        if difference is not None:
            raise ConflictError(
                "a part's name is taken by other content",
                where=repository / name,
                got=difference,
                hint="nothing was changed; if that folder is damaged, move it away and publish again",
            )
        return
    shutil.copytree(source, staging / name)
    _sync_tree(staging / name)
    (staging / name).rename(repository / name)
    _sync(repository)


def _put_version(candidate: Candidate, number: int, repository: Path, staging: Path) -> None:
    name = candidate.manifest.name
    staged = staging / str(number)
    shutil.copytree(candidate.version_folder, staged)
    config = read_config(candidate.repository / name / CONFIG)
    config.version_policy.specific.versions[:] = [number]
    (staged / CONFIG).write_text(write_config(config), encoding="utf-8")
    line = PublishedVersion(
        name=name,
        version=number,
        candidate_sha256=file_digest(staged / MANIFEST),
        parts={part.name: _digest(candidate.repository / part.name) for part in candidate.manifest.parts},
        tree=read_tree(staged),
        published_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    (staged / PUBLISHED).write_text(line.model_dump_json(indent=1) + "\n", encoding="utf-8")
    _sync_tree(staged)
    if (repository / name).is_dir():
        staged.rename(repository / name / str(number))
        _sync(repository / name)
    else:
        # The first version comes with its folder and configuration: a folder without a version keeps Triton from
        # starting.
        (staging / name).mkdir()
        staged.rename(staging / name / str(number))
        shutil.copyfile(staging / name / str(number) / CONFIG, staging / name / CONFIG)
        _sync_tree(staging / name)
        (staging / name).rename(repository / name)
        _sync(repository)


def _commit(repository: Path, name: str, number: int, before: int | None, staging: Path) -> Change:
    """The one step after which `number` is served."""
    if number != served_version(repository, name):
        shutil.copyfile(repository / name / str(number) / CONFIG, staging / CONFIG)
        _sync(staging / CONFIG)
        os.replace(staging / CONFIG, repository / name / CONFIG)  # noqa: PTH105 - the field's name for this step
        _sync(repository / name)
    return Change(name=name, version=number, before=before)


def _check_part(folder: Path, digest: str) -> None:
    if not folder.is_dir():
        raise GateError("a part of this version is gone", where=folder, hint="publish its candidate again")
    if _digest(folder) != digest:
        raise GateError("a part is no longer what was published", where=folder, hint="move it away and publish again")


def _digest(folder: Path) -> str:
    return tree_digest(read_tree(folder))


def _sync_tree(folder: Path) -> None:
    """Brings every byte below `folder` to the disk: a rename must not outlive the power that its content lost."""
    for path in folder.rglob("*"):
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
