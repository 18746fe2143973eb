"""The ledger of a repository: which versions of a name were ever put there, and which one is served."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tritonkit.repository.layout import CONFIG, MANIFEST, PUBLISHED, version_in_config
from tritonkit.spec.errors import InputError
from tritonkit.spec.manifest import Manifest, PublishedVersion

if TYPE_CHECKING:
    from tritonkit.repository.stored import Stored
    from tritonkit.repository.stores import Store

_LARGEST = 2**31
"""Far below the 64 bits beyond which a version's number ends the whole server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a name serves.

    Attributes:
        version: the version; `None` where nothing is published.
        config: the configuration that says so, as it was read; `None` where there is none.
    """

    version: int | None
    config: Stored | None


def read_served(store: Store, name: str) -> Served:
    """What a server started now would serve under `name`.

    Raises:
        InputError: the configuration there is none that the kit wrote.
    """
    path = f"{name}/{CONFIG}"
    config = store.read(path)
    if config is None:
        return Served(version=None, config=None)
    text = config.data.decode("utf-8", errors="replace")
    return Served(version=version_in_config(text, f"{store.address}/{path}"), config=config)


def read_ledger(store: Store, name: str) -> dict[int, PublishedVersion]:
    """Every version of `name` that was ever put there whole, oldest first: served, left, or pruned."""
    lines = {}
    for number in used_numbers(store, name):
        stored = store.read(f"{name}/{number}/{PUBLISHED}")
        if stored is not None:
            lines[number] = PublishedVersion.model_validate_json(stored.data)
    return lines


def used_numbers(store: Store, name: str) -> list[int]:
    """The numbers that are taken, sorted; a half-written version in an object store takes its number too.

    Raises:
        InputError: a folder there has a name which Triton reads as a number that ends it.
    """
    numbers = sorted(int(folder) for folder in store.list(name).folders if folder.isdecimal())
    if numbers and numbers[-1] >= _LARGEST:
        raise InputError(
            "this folder's name is too large a version number",
            where=f"{store.address}/{name}/{numbers[-1]}",
            hint="move it out of the repository: a number beyond 64 bits ends the whole server",
        )
    return numbers


def published_names(store: Store) -> tuple[str, ...]:
    """The names in the repository that the kit published something under, sorted."""
    return tuple(name for name in store.list("").folders if read_ledger(store, name))


def read_version_manifest(store: Store, name: str, number: int) -> Manifest:
    """The manifest of a version that was not pruned.

    Raises:
        InputError: it is not there or not whole.
    """
    path = f"{name}/{number}/{MANIFEST}"
    stored = store.read(path)
    try:
        return Manifest.model_validate_json(stored.data if stored else b"")
    except ValueError as error:
        raise InputError(
            "there is no readable manifest",
            where=f"{store.address}/{path}",
            got=" ".join(str(error).split()[:30]) if stored else "nothing",
            hint="publish the candidate again",
        ) from None
