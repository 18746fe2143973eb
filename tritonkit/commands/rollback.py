"""`tritonkit rollback`: serve an earlier published version again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tritonkit.commands import console, exit_codes
from tritonkit.commands.live_load import add_server_arguments, load_or_put_back, require_server
from tritonkit.repository.publish import rollback

if TYPE_CHECKING:
    import argparse

EXAMPLE = "tritonkit rollback efficientnet_lite0 --in model_repository --server http://127.0.0.1:8000"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("name", help="the served name")
    parser.add_argument(
        "--in", dest="to", default="model_repository", metavar="REPOSITORY", help="default: %(default)s"
    )
    parser.add_argument("--version", type=int, help="the version (default: the one that the served one replaced)")
    add_server_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Rolls back; with `--server` also loads the version."""
    require_server(args.server)
    change = rollback(args.to, args.name, args.version)
    loaded = load_or_put_back(change, args.to, args.server)
    if args.json:
        console.print_json({"name": change.name, "version": change.version, "before": change.before, "loaded": loaded})
    else:
        console.emit(f"{change.name} is version {change.version} again (was {change.before})")
    return exit_codes.OK
