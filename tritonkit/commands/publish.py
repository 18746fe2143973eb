"""`tritonkit publish`: a verified candidate -> the next version in a model repository, and into a live server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tritonkit.commands import console, exit_codes
from tritonkit.commands.live_load import add_server_arguments, load_or_put_back
from tritonkit.repository.publish import check_candidate, publish

if TYPE_CHECKING:
    import argparse

EXAMPLE = "tritonkit publish out/efficientnet_lite0 --to model_repository --server http://127.0.0.1:8000"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("candidate", type=Path, help="the folder that `tritonkit build` wrote")
    parser.add_argument("--to", type=Path, default=Path("model_repository"), help="repository (default: %(default)s)")
    add_server_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Publishes; with `--server` also loads the version, and puts the old one back if it does not load."""
    folder = args.candidate / "repository" if (args.candidate / "repository").is_dir() else args.candidate
    change = publish(check_candidate(folder), args.to)
    loaded = load_or_put_back(change, args)
    if args.json:
        console.print_json({"name": change.name, "version": change.version, "before": change.before, "loaded": loaded})
    elif change.changed:
        console.emit(f"{change.name} version {change.version} is {'served' if loaded else 'published'} in {args.to}")
    else:
        console.emit(f"{change.name} version {change.version} was published before; nothing to do")
    return exit_codes.OK
