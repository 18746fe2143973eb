"""`tritonkit publish`: a verified candidate -> the next version in a model repository, and into a live server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tritonkit.commands import console, exit_codes
from tritonkit.commands.candidate_folder import candidate_folder
from tritonkit.commands.live_load import add_server_arguments, load_or_put_back, require_server
from tritonkit.commands.trial import try_candidate
from tritonkit.commands.trust import add_trust_arguments, trust_asked_for
from tritonkit.repository.publish import check_candidate, publish

if TYPE_CHECKING:
    import argparse

EXAMPLE = "tritonkit publish out/efficientnet_lite0 --to model_repository --server http://127.0.0.1:8000"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("candidate", type=Path, help="the folder that `tritonkit build` wrote")
    parser.add_argument(
        "--to",
        default="model_repository",
        metavar="REPOSITORY",
        help="a folder, or s3://BUCKET/PREFIX, gs://BUCKET/PREFIX as Triton takes them (default: %(default)s)",
    )
    parser.add_argument(
        "--no-trial",
        action="store_true",
        help="do not load the candidate in a Triton of its own first; for a machine that cannot run one",
    )
    add_trust_arguments(parser)
    add_server_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Publishes; with `--server` also loads the version, and puts the old one back if it does not load."""
    trust = trust_asked_for(args)
    require_server(args.server)
    candidate = check_candidate(candidate_folder(args.candidate))
    change = publish(candidate, args.to, trial=None if args.no_trial else try_candidate, trust=trust)
    loaded = load_or_put_back(change, args.to, args.server)
    if args.json:
        console.print_json({"name": change.name, "version": change.version, "before": change.before, "loaded": loaded})
    elif change.changed:
        console.emit(f"{change.name} version {change.version} is {'served' if loaded else 'published'} in {args.to}")
    else:
        console.emit(f"{change.name} version {change.version} was published before; nothing to do")
    return exit_codes.OK
