"""What `publish` and `rollback` do with a live server: one explicit load, and the old version back if it fails."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from clients import Client, ClientError
from tritonkit.commands import console
from tritonkit.repository.publish import rollback
from tritonkit.server.flags import ADMIN_HEADER
from tritonkit.spec.errors import GateError

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


def load_or_put_back(change: Change, args: argparse.Namespace) -> bool:
    """Tells the server, if one was named, to load what is served now; returns whether it did.

    Raises:
        GateError: it does not load. The version before is committed and loaded again.
    """
    if args.server is None:
        return False
    key = os.environ.get(ADMIN_KEY_VARIABLE)
    with Client(args.server, headers={ADMIN_HEADER: key} if key else None) as client:
        try:
            client.load(change.name)
        except ClientError as error:
            if change.before is not None and change.changed:
                rollback(args.to, change.name, change.before)
                client.load(change.name)
                console.say(f"version {change.before} of {change.name} is served again")
            raise GateError(
                f"version {change.version} does not load",
                where=args.server,
                got=error,
                hint=None if change.before is None else f"version {change.before} was put back",
            ) from error
    return True
