"""What `publish` and `rollback` do with a live server: one explicit load, and the old version back if it fails."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from clients import Client, ClientError
from tritonkit.commands import console
from tritonkit.repository.ledger import read_ledger, read_version_manifest
from tritonkit.repository.prune import uncalled_parts
from tritonkit.repository.publish import rollback
from tritonkit.repository.stores import open_store
from tritonkit.server.flags import ADMIN_HEADER
from tritonkit.spec.errors import GateError, UnavailableError

if TYPE_CHECKING:
    import argparse

    from tritonkit.repository.publish import Change

ADMIN_KEY_VARIABLE = "TRITONKIT_ADMIN_KEY"
"""An argument would show in every process list."""


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds `--server`."""
    parser.add_argument(
        "--server",
        metavar="URL",
        help="HTTP address of a live Triton on this repository, under explicit model control, which loads the version "
        f"at once; the key of its restricted APIs is read from ${ADMIN_KEY_VARIABLE}",
    )


def require_server(server: str | None) -> None:
    """Makes sure, before anything changes, that the server which is to load the version answers.

    Raises:
        UnavailableError: it does not.
    """
    if server is None:
        return
    with _administrator(server) as client:
        try:
            client.server_metadata()
        except ClientError as error:
            raise UnavailableError(
                "the server does not answer", where=server, got=error, hint="nothing was changed"
            ) from error


def load_or_put_back(change: Change, repository: str, server: str | None) -> bool:
    """Tells the server, if one was named, to load what is served now; returns whether it did.

    Raises:
        GateError: it does not load. The version before is committed and loaded again.
    """
    if server is None:
        return False
    with _administrator(server) as client:
        try:
            _load(client, change.name, change.version, repository)
        except ClientError as error:
            raise GateError(
                f"version {change.version} does not load",
                where=server,
                got=error,
                hint=_put_back(client, change, repository),
            ) from error
        if change.changed:
            _unload_older_parts(client, change, repository)
    return True


def _load(client: Client, name: str, version: int, repository: str) -> None:
    """Loads the parts first: Triton takes an ensemble's old version away when a part of the new one does not load."""
    for part in read_version_manifest(open_store(repository), name, version).called_parts():
        client.load(part.name)
    client.load(name)
    if not client.model_ready(name, str(version)):
        raise ClientError("the server loaded another version", where=name, hint="is it on another repository?")


def _unload_older_parts(client: Client, change: Change, repository: str) -> None:
    """Frees what neither the version that is served now calls nor the one before.

    Triton keeps the parts of an ensemble loaded when its next version calls others: the memory of every version that
    was ever served would be held until a restart. The version before stays loaded, so that going back takes no time.
    """
    store = open_store(repository)
    kept = {change.version, change.before}
    older = uncalled_parts(
        store, change.name, [number for number in read_ledger(store, change.name) if number not in kept]
    )
    try:
        loaded = {entry.name for entry in client.repository_index() if entry.state == "READY"}
        for part in older:
            if part in loaded:
                client.unload(part)
    except ClientError as error:
        console.say(f"parts of older versions stay loaded: {error}")


def _put_back(client: Client, change: Change, repository: str) -> str | None:
    """Commits and loads the version before; returns what to say about it."""
    if change.before is None or not change.changed:
        return None
    rollback(repository, change.name, change.before)
    try:
        _load(client, change.name, change.before, repository)
    except ClientError as error:
        return f"version {change.before} is in place again but was not loaded: {error}"
    console.say(f"version {change.before} of {change.name} is served again")
    return f"version {change.before} was put back; the server may say that it is not ready until it is restarted"


def _administrator(server: str) -> Client:
    key = os.environ.get(ADMIN_KEY_VARIABLE)
    return Client(server, headers={ADMIN_HEADER: key} if key else None)
