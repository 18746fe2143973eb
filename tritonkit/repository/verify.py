"""Whether a repository still holds, bit for bit, what was proven; and a copy of it that nobody else can change.

Everything follows from one digest, that of `manifest.json`: the manifest lists the files of the parts and of the
ensemble's version folder. What publication adds is the number of the version, which is put back before comparing, and
the ledger's line, which is not believed.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tritonkit.repository.config import read_config, write_config
from tritonkit.repository.digests import file_digest, first_difference, read_tree, text_digest
from tritonkit.repository.layout import (
    CANDIDATE_VERSION,
    CONFIG,
    MANIFEST,
    PUBLISHED,
    SIGNATURE,
    read_manifest,
    served_version,
    version_numbers,
)
from tritonkit.repository.ledger import published_names, read_ledger, read_version_manifest
from tritonkit.repository.signing import check_signature
from tritonkit.repository.stores import open_store
from tritonkit.spec.errors import GateError, InputError
from tritonkit.spec.manifest import Tree

if TYPE_CHECKING:
    from tritonkit.repository.signing import Trust
    from tritonkit.repository.stores import Store

_UNLISTED = (MANIFEST, SIGNATURE, PUBLISHED, CONFIG)
"""Files of a version folder that its manifest does not list: they came after it."""


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
    if file_digest(repository / name / CONFIG) != file_digest(_version_config(repository, name, number)):
        raise GateError("the configuration is not the served version's", where=repository / name / CONFIG)
    return verify_version(repository, name, number)


def verify_version(repository: Path, name: str, number: int) -> Verified:
    """Compares one version of `name`, served or not, with its manifest.

    Raises:
        InputError: there is no manifest.
        GateError: a file or folder is not the proven one.
    """
    folder = repository / name / str(number)
    manifest = read_manifest(folder)
    if manifest.name != name:
        raise GateError("the manifest is another model's", where=folder / MANIFEST, got=manifest.name, expected=name)
    parts = tuple(part.name for part in manifest.called_parts())
    found = _as_candidate(repository, name, number, parts)
    difference = first_difference(manifest.tree, found)
    if difference is not None:
        raise GateError(
            "the repository does not hold what was proven",
            where=repository,
            got=f"version {number} of {name}: {difference}",
            hint="publish the candidate again; what is there must not be served",
        )
    return Verified(
        name=name, version=number, manifest_sha256=_manifest_digest(folder), parts=parts, files=len(found.files)
    )


def verify_repository(repository: str | Path, trust: Trust | None = None) -> tuple[Verified, ...]:
    """Compares every version in a repository, but those that were pruned, with its manifest.

    Folders that the kit did not publish are other models, and none of its business; inside a published name nothing may
    be but what was published.

    Args:
        repository: a folder, or an object store's address.
        trust: who must have signed each version; `None` asks for no signature.

    Raises:
        InputError: nothing is published there.
        GateError: a file or folder is not the proven one, or a signature is missing or wrong.
    """
    store = open_store(repository)
    names = published_names(store)
    if not names:
        raise InputError("the kit has published nothing here", where=store.address)
    with tempfile.TemporaryDirectory(prefix="tritonkit-") as scratch:
        return tuple(verified for name in names for verified in _verify_name(store, name, trust, Path(scratch)))


def _verify_name(store: Store, name: str, trust: Trust | None, scratch: Path) -> list[Verified]:
    numbers = [number for number, line in read_ledger(store, name).items() if line.pruned_at is None]
    _refuse_strays(store, name)
    parts = {part.name for number in numbers for part in read_version_manifest(store, name, number).called_parts()}
    folder = store.as_folder([*sorted(parts), name], scratch)
    versions = [verify_version(folder, name, number) for number in numbers]
    served = verify(folder, name)
    if served.version not in numbers:
        raise GateError("the served version is not in the ledger", where=f"{store.address}/{name}", got=served.version)
    if trust is not None:
        for number in numbers:
            check_signature(folder / name / str(number), trust)
    return versions


def _refuse_strays(store: Store, name: str) -> None:
    """An added empty version folder changes no file, and keeps Triton from starting."""
    entries, ledger = store.list(name), read_ledger(store, name)
    strays = [file for file in entries.files if file != CONFIG]
    for entry in entries.folders:
        begun = entry.isdecimal() and store.read(f"{name}/{entry}/{MANIFEST}") is not None
        # In an object store a publication that did not end leaves part of a version, which is never served.
        if not begun and (not entry.isdecimal() or int(entry) not in ledger):
            strays.append(entry)
    if strays:
        raise GateError("something was added to what was published", where=f"{store.address}/{name}/{strays[0]}")


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
    for part in manifest.called_parts():
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


def _version_config(repository: Path, name: str, number: int) -> Path:
    """A candidate's version folder holds no configuration of its own."""
    own = repository / name / str(number) / CONFIG
    return own if own.is_file() else repository / name / CONFIG


def _as_candidate(repository: Path, name: str, number: int, parts: tuple[str, ...]) -> Tree:
    """What is there, under the paths and with the version number of the candidate that it came from."""
    version = read_tree(repository / name / str(number), without=_UNLISTED)
    place = f"{name}/{CANDIDATE_VERSION}"
    files = {f"{place}/{path}": digest for path, digest in version.files.items()}
    folders = [name, place, *(f"{place}/{path}" for path in version.directories)]
    for part in parts:
        tree = read_tree(repository / part) if (repository / part).is_dir() else Tree(files={}, directories=())
        files |= {f"{part}/{path}": digest for path, digest in tree.files.items()}
        folders += [part, *(f"{part}/{path}" for path in tree.directories)]
    config = read_config(_version_config(repository, name, number))
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
