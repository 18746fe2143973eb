"""Removes the files of versions that nobody goes back to. The ledger stays, so that no number is ever used again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tritonkit.repository.config import parse_config
from tritonkit.repository.layout import CONFIG, PUBLISHED
from tritonkit.repository.ledger import published_names, read_ledger, read_served, read_version_manifest
from tritonkit.repository.stores import open_store
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from tritonkit.repository.stores import Store
    from tritonkit.spec.manifest import PublishedVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was removed, or would be.

    Attributes:
        name: the served name.
        kept: versions whose files stay.
        versions: versions of which only the ledger's line remains.
        parts: parts that no version calls any more.
    """

    name: str
    kept: tuple[int, ...]
    versions: tuple[int, ...]
    parts: tuple[str, ...]


def prune(repository: str | Path, name: str, *, keep: int = 2, only_say: bool = False) -> Pruned:
    """Keeps the served version of `name` and those that a rollback leads to, `keep` in all, and removes the others.

    A server that has not loaded the served version yet may still run an older one from memory; with fewer than two kept
    it cannot go back.

    Args:
        repository: a folder, or an object store's address.
        name: the served name.
        keep: how many versions keep their files; at least the served one.
        only_say: remove nothing.

    Raises:
        ConflictError: another publisher is at work.
        InputError: nothing is published under `name`, or `keep` is less than one.
    """
    if keep < 1:
        raise InputError("the served version is always kept", got=f"keep {keep}", expected="at least 1")
    store = open_store(repository)
    with store.publisher():
        served = read_served(store, name).version
        ledger = {number: line for number, line in read_ledger(store, name).items() if line.pruned_at is None}
        if served is None or served not in ledger:
            raise InputError("nothing is published under this name", where=store.address, got=name)
        kept = _kept(ledger, served, keep)
        doomed = tuple(number for number in ledger if number not in kept)
        parts = uncalled_parts(store, name, doomed)
        if not only_say:
            for number in doomed:
                _remove_version(store, name, number, ledger[number])
            for part in parts:
                store.remove(part)
        return Pruned(name=name, kept=kept, versions=doomed, parts=parts)


def _kept(ledger: dict[int, PublishedVersion], served: int, keep: int) -> tuple[int, ...]:
    """The served version, those that it came after, and then the newest others."""
    chain: list[int] = []
    number: int | None = served
    while number in ledger and number not in chain:
        chain.append(number)
        number = ledger[number].replaces
    others = [number for number in sorted(ledger, reverse=True) if number not in chain]
    return tuple(sorted((chain + others)[:keep]))


def uncalled_parts(store: Store, name: str, doomed: Collection[int]) -> tuple[str, ...]:
    """Parts of `name` that no version calls but doomed ones; those of a publication that did not end are among them.

    Whatever any configuration in the repository calls stays, whoever wrote it.
    """
    called = set()
    for owner in published_names(store):
        for number, line in read_ledger(store, owner).items():
            if line.pruned_at is None and not (owner == name and number in doomed):
                called |= {part.name for part in read_version_manifest(store, owner, number).called_parts()}
    folders = store.list("").folders
    for folder in folders:
        called |= _called_by(store, folder)
    part = re.compile(rf"{re.escape(name)}_\w+_[0-9a-f]{{6}}")
    owners = set(published_names(store))
    return tuple(folder for folder in folders if part.fullmatch(folder) and folder not in called | owners)


def _called_by(store: Store, folder: str) -> set[str]:
    """The models that the configuration in `folder` calls."""
    config = store.read(f"{folder}/{CONFIG}")
    if config is None:
        return set()
    text = config.data.decode("utf-8", errors="replace")
    parsed = parse_config(text, where=f"{store.address}/{folder}/{CONFIG}", allow_unknown_fields=True)
    return {step.model_name for step in parsed.ensemble_scheduling.step}


def _remove_version(store: Store, name: str, number: int, line: PublishedVersion) -> None:
    """First the ledger says so; a prune that is killed after that leaves nothing that looks whole."""
    place = f"{name}/{number}"
    pruned = line.model_copy(update={"pruned_at": datetime.now(UTC).isoformat(timespec="seconds")})
    text = pruned.model_dump_json(indent=1) + "\n"
    store.replace(f"{place}/{PUBLISHED}", text.encode(), store.read(f"{place}/{PUBLISHED}"))
    entries = store.list(place)
    for entry in (*entries.files, *entries.folders):
        if entry != PUBLISHED:
            store.remove(f"{place}/{entry}")
