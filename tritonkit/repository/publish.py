"""A verified candidate -> the next version in a model repository, and back.

Everything new is put beside what is served; then replacing the ensemble's `config.pbtxt` is the commit. Whoever reads the
repository, at any moment and after any kill, sees the old version whole or the new one whole. A part never changes under
its name, so versions share what is equal, and a version that is still served keeps what it calls.

A version that was put there whole and never committed is nobody's yet: publishing its candidate again commits it under
the number that it took; publishing another one takes the next number.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tritonkit.repository.candidates import Candidate, check_candidate, read_candidate
from tritonkit.repository.config import read_config, write_config
from tritonkit.repository.digests import bytes_digest, first_difference
from tritonkit.repository.layout import CONFIG, MANIFEST, PUBLISHED, read_manifest
from tritonkit.repository.ledger import read_ledger, read_served, read_version_manifest, used_numbers
from tritonkit.repository.signing import check_signature
from tritonkit.repository.stores import open_store
from tritonkit.repository.verify import verify_version
from tritonkit.spec.errors import GateError, InputError
from tritonkit.spec.manifest import PublishedVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tritonkit.repository.ledger import Served
    from tritonkit.repository.signing import Trust
    from tritonkit.repository.stores import Store

__all__ = ["Candidate", "Change", "check_candidate", "publish", "rollback"]


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


def publish(
    candidate: Candidate,
    repository: str | Path,
    *,
    trial: Callable[[Candidate], None] | None = None,
    trust: Trust | None = None,
) -> Change:
    """Puts `candidate` into `repository` and makes it the served version of its name.

    A candidate that was published there before is not published again: its version is served again.

    Args:
        candidate: what `check_candidate` returned.
        repository: a folder, or an object store's address.
        trial: loads the candidate in a server of its own and asks it; raises `GateError` where it must not be served.
        trust: who must have signed the candidate; `None` asks for no signature.

    Raises:
        ConflictError: another publisher is at work or was first, or a part's name is taken by other content.
        GateError: the signature is missing or wrong; the candidate was changed meanwhile; its trial failed, in which
            case it lies in a quarantine outside the repository with the reason.
        InputError: `repository` is a file or the root of a file system.
        UnavailableError: the repository cannot be written or reached.
    """
    store = open_store(repository)
    with store.publisher() as staging:
        staged = _stage(candidate, staging)
        if trust is not None:
            check_signature(staged.version_folder, trust)
        name = staged.manifest.name
        served = read_served(store, name)
        ledger = read_ledger(store, name)
        number = _number_of(staged, store, ledger)
        whole = number in ledger
        if trial is not None and not whole:
            _try_out(staged, trial, store)
        for part in staged.manifest.called_parts():
            store.put_folder(staged.repository / part.name, part.name)
        number = number or max(used_numbers(store, name), default=0) + 1
        if whole:
            _check_stored(store, name, number, staging)
        else:
            _put_version(staged, number, served, store, staging)
        return _commit(store, name, number, served)


def rollback(repository: str | Path, name: str, version: int | None = None) -> Change:
    """Serves an earlier version of `name` again: `version`, or the one that the served one replaced.

    Raises:
        ConflictError: another publisher is at work or was first.
        InputError: there is no such version.
        GateError: what lies there is no longer what was published.
    """
    store = open_store(repository)
    with store.publisher() as staging:
        served = read_served(store, name)
        ledger = {number: line for number, line in read_ledger(store, name).items() if line.pruned_at is None}
        line = ledger.get(served.version or 0)
        target = version or (line.replaces if line else None)
        if target is None or target not in ledger:
            raise InputError(
                f"{name} has no such version" if version else f"{name} has no version before the served one",
                where=store.address,
                got=version or served.version,
                expected=f"one of {', '.join(map(str, ledger))}" if ledger else "a published version",
                hint=None if version else "--version names another one",
            )
        _check_stored(store, name, target, staging)
        return _commit(store, name, target, served)


def _stage(candidate: Candidate, staging: Path) -> Candidate:
    """A copy of the candidate that nobody else can change, and that is still what was checked."""
    folder = staging / "candidate" / "repository"
    shutil.copytree(candidate.repository, folder)
    staged = Candidate(repository=folder, manifest=candidate.manifest)
    difference = first_difference(staged.manifest.tree, read_candidate(folder, staged.manifest.name))
    if difference is not None or read_manifest(staged.version_folder) != candidate.manifest:
        raise GateError(
            "the candidate was changed while it was read",
            where=candidate.repository,
            got=difference or f"another {MANIFEST}",
            hint="publish it again when nobody writes there",
        )
    return staged


def _number_of(candidate: Candidate, store: Store, ledger: Mapping[int, PublishedVersion]) -> int | None:
    """The number under which this very candidate lies in the repository, whole or half-written."""
    name, digest = candidate.manifest.name, candidate.sha256
    for number, line in ledger.items():
        if line.candidate_sha256 == digest and line.pruned_at is None:
            return number
    # A version that is not in the ledger was begun in an object store and not ended.
    for number in set(used_numbers(store, name)) - ledger.keys():
        stored = store.read(f"{name}/{number}/{MANIFEST}")
        if stored is not None and bytes_digest(stored.data) == digest:
            return number
    return None


def _try_out(candidate: Candidate, trial: Callable[[Candidate], None], store: Store) -> None:
    """Runs the trial; a candidate that fails is set aside with the reason, and nothing of it enters the repository."""
    try:
        trial(candidate)
    except GateError as error:
        folder = candidate.repository.parent
        (folder / "reason.json").write_text(json.dumps(error.as_dict(), indent=2) + "\n", encoding="utf-8")
        place = store.set_aside(folder, f"{candidate.manifest.name}-{candidate.sha256[:12]}")
        raise GateError(
            f"the candidate failed its trial: {error.what}",
            where=error.where,
            got=error.got,
            expected=error.expected,
            hint=f"nothing was published; it lies in {place}, with reason.json",
            log_path=error.log_path,
        ) from error


def _put_version(candidate: Candidate, number: int, served: Served, store: Store, staging: Path) -> None:
    """Puts the version beside the one that is served, with its line of the ledger."""
    name = candidate.manifest.name
    config = read_config(candidate.repository / name / CONFIG)
    config.version_policy.specific.versions[:] = [number]
    line = PublishedVersion(
        name=name,
        version=number,
        candidate_sha256=candidate.sha256,
        replaces=served.version,
        published_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    (candidate.version_folder / CONFIG).write_text(write_config(config), encoding="utf-8")
    (candidate.version_folder / PUBLISHED).write_text(line.model_dump_json(indent=1) + "\n", encoding="utf-8")
    if used_numbers(store, name):
        store.put_folder(candidate.version_folder, f"{name}/{number}")
        return
    # The first version comes with its folder and configuration: a folder without a version keeps Triton from starting.
    first = staging / name
    first.mkdir()
    shutil.copyfile(candidate.version_folder / CONFIG, first / CONFIG)
    candidate.version_folder.rename(first / str(number))
    store.put_folder(first, name)


def _commit(store: Store, name: str, number: int, served: Served) -> Change:
    """The one step after which `number` is served."""
    if number != read_served(store, name).version:
        config = store.read(f"{name}/{number}/{CONFIG}")
        if config is None:
            raise GateError("this version has no configuration", where=f"{store.address}/{name}/{number}")
        store.replace(f"{name}/{CONFIG}", config.data, served.config)
    return Change(name=name, version=number, before=served.version)


def _check_stored(store: Store, name: str, number: int, staging: Path) -> None:
    """What was published once may have been changed since."""
    parts = [part.name for part in read_version_manifest(store, name, number).called_parts()]
    folder = store.as_folder([*parts, f"{name}/{number}"], staging / "stored")
    verify_version(folder, name, number)
