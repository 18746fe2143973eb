"""`tritonkit prune`: remove the files of versions that nobody goes back to."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from tritonkit.commands import console, exit_codes
from tritonkit.repository.prune import prune

if TYPE_CHECKING:
    import argparse

EXAMPLE = "tritonkit prune efficientnet_lite0 --in model_repository --keep 3"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("name", help="the served name")
    parser.add_argument(
        "--in", dest="to", default="model_repository", metavar="REPOSITORY", help="default: %(default)s"
    )
    parser.add_argument(
        "--keep",
        type=int,
        default=2,
        metavar="N",
        help="versions whose files stay: the served one and those that a rollback leads to (default: %(default)s)",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")


def run(args: argparse.Namespace) -> int:
    """Removes, and says what; the ledger's lines stay."""
    pruned = prune(args.to, args.name, keep=args.keep, only_say=args.dry_run)
    if args.json:
        console.print_json(asdict(pruned))
        return exit_codes.OK
    verb = "would remove" if args.dry_run else "removed"
    console.emit(f"{verb} {_listed('version', pruned.versions)} and {_listed('part', pruned.parts)}")
    console.emit(f"kept {_listed('version', pruned.kept)} of {pruned.name}")
    return exit_codes.OK


def _listed(noun: str, things: tuple[object, ...]) -> str:
    if not things:
        return f"no {noun}"
    return f"{noun if len(things) == 1 else f'{noun}s'} {', '.join(map(str, things))}"
