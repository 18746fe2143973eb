"""Whether a repository still holds, bit for bit, what was proven; and a copy of it that nobody else can change.

Everything follows from one digest, that of `manifest.json`: the manifest lists the files of the parts and of the
ensemble's version folder. What publication adds is the number of the version, which is put back before comparing, and
the ledger's line, which is not believed.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tritonkit.repository.config import read_config, write_config
from tritonkit.repository.digests import file_digest, first_difference, read_tree, text_digest
from tritonkit.repository.layout import (
    CANDIDATE_VERSION,
    CONFIG,
    MANIFEST,
    PUBLISHED,
    read_manifest,
    served_version,
    version_numbers,
)
from tritonkit.spec.errors import GateError, InputError
from tritonkit.spec.manifest import Manifest, Tree

if TYPE_CHECKING:
    from pathlib import Path

_AT_PUBLICATION = (MANIFEST, PUBLISHED, CONFIG)
"""Files of a version folder that its manifest does not list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A version that is what was proven.

    Attributes:
        name: the served name.
        version: its number in the repository.
        manifest_sha256: digest of its manifest.
        parts: the models that it calls.
        files: how many files were compared.
    """

    name: str
    version: int
    manifest_sha256: str
    parts: tuple[str, ...]
    files: int


def verify(repository: Path, name: str, manifest_sha256: str | None = None) -> Verified:
    """Compares the served version of `name` with its manifest.

    Args:
        repository: a model repository or a candidate's.
        name: the served name.
        manifest_sha256: the digest that the manifest must have; `None` takes the manifest that is there.

    Raises:
        InputError: nothing is published under `name`.
        GateError: another version is served than the one asked for, or a file or folder is not the proven one.
    """
    number = served_version(repository, name)
    if number is None:
        raise InputError("nothing is published under this name", where=repository, got=name)
    folder = repository / name / str(number)
    found = _manifest_digest(folder)
    if manifest_sha256 not in {None, found}:
        raise GateError(
            f"version {number} is served, which is not the one asked for",
            where=folder / MANIFEST,
            got=found,
            expected=manifest_sha256,
            hint="ask for its digest, or take a copy of the version that is wanted (--copy-to)",
        )
    if file_digest(repository / name / CONFIG) != _version_config_digest(folder, repository / name / CONFIG):
        raise GateError("the configuration is not the served version's", where=repository / name / CONFIG)
    return _compare(repository, read_manifest(folder), number, found)


def copy_verified(repository: Path, name: str, target: Path, manifest_sha256: str | None = None) -> Verified:
    """Copies one version and its parts into `target`, whichever version is served, and verifies the copy.

    What is compared are the bytes of the copy: the source may change under the reader's hands.

    Args:
        repository: a model repository, which is only read.
        name: the served name.
        target: a folder; it may hold other models.
        manifest_sha256: digest of the manifest of the version to take; `None` takes the served one.

    Raises:
        InputError: no version has that digest.
        GateError: a file or folder is not the proven one.
    """
    number = served_version(repository, name) if manifest_sha256 is None else _find(repository / name, manifest_sha256)
    if number is None:
        raise InputError(
            "no version of this model has that manifest",
            where=repository / name,
            got=manifest_sha256,
            hint="publish it there first; versions are looked for in " + str(repository),
        )
    folder = repository / name / str(number)
    manifest = read_manifest(folder)
    for part in manifest.parts:
        _replace(repository / part.name, target / part.name)
    _replace(folder, target / name / str(number))
    config = folder / CONFIG if (folder / CONFIG).is_file() else repository / name / CONFIG
    shutil.copyfile(config, target / name / CONFIG)
    return verify(target, name, manifest_sha256)


def _find(model: Path, digest: str) -> int | None:
    return next(
        (number for number in sorted(version_numbers(model)) if _manifest_digest(model / str(number)) == digest), None
    )


def _manifest_digest(folder: Path) -> str:
    file = folder / MANIFEST
    return file_digest(file) if file.is_file() else ""


def _version_config_digest(folder: Path, served: Path) -> str:
    """A candidate's version folder holds no configuration of its own."""
    own = folder / CONFIG
    return file_digest(own if own.is_file() else served)


def _compare(repository: Path, manifest: Manifest, number: int, digest: str) -> Verified:
    name = manifest.name
    parts = tuple(part.name for part in manifest.parts)
    found = _renamed(repository, name, number, parts)
    difference = first_difference(manifest.tree, found)
    if difference is not None:
        raise GateError(
            "the repository does not hold what was proven",
            where=repository,
            got=difference,
            hint="publish the candidate again; what is there must not be served",
        )
    return Verified(name=name, version=number, manifest_sha256=digest, parts=parts, files=len(found.files))


def _renamed(repository: Path, name: str, number: int, parts: tuple[str, ...]) -> Tree:
    """What is there, under the paths and with the version number of the candidate that it came from."""
    version = read_tree(repository / name / str(number), without=_AT_PUBLICATION)
    place = f"{name}/{CANDIDATE_VERSION}"
    files = {f"{place}/{path}": digest for path, digest in version.files.items()}
    folders = [name, place, *(f"{place}/{path}" for path in version.directories)]
    for part in parts:
        tree = read_tree(repository / part) if (repository / part).is_dir() else Tree(files={}, directories=())
        files |= {f"{part}/{path}": digest for path, digest in tree.files.items()}
        folders += [part, *(f"{part}/{path}" for path in tree.directories)]
    config = read_config(repository / name / CONFIG)
    config.version_policy.specific.versions[:] = [CANDIDATE_VERSION]
    files[f"{name}/{CONFIG}"] = text_digest(write_config(config))
    return Tree(files=files, directories=tuple(sorted(folders)))


def _replace(source: Path, target: Path) -> None:
    if ".." in source.parts:
        raise GateError("a manifest names a part outside its repository", where=source)
    if not source.is_dir():
        raise GateError("a part of this version is gone", where=source, hint="publish its candidate again")
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)
