"""`tritonkit train`: a recipe and its data -> weights, with log and report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tritonkit.commands import console, exit_codes

if TYPE_CHECKING:
    import argparse

EXAMPLE = "tritonkit train examples/resnet18_fashion/recipe.yaml --out out/resnet18_training"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's own arguments."""
    parser.add_argument("recipe", type=Path, help="the recipe; under torchrun all its processes train it together")
    parser.add_argument("--out", type=Path, help="folder to write into (default: out/NAME_training of the recipe)")
    parser.add_argument("--resume", action="store_true", help="go on from the last finished epoch in that folder")


def run(args: argparse.Namespace) -> int:
    """Trains; one line an epoch, and on a terminal a bar."""
    from tritonkit.spec.recipe import load_recipe  # noqa: PLC0415 - `--help` trains nothing
    from tritonkit.training.train import train  # noqa: PLC0415 - torch and Lightning take seconds

    out = args.out or Path("out") / f"{load_recipe(args.recipe).name}_training"
    report = train(args.recipe, out, resume=args.resume, progress_bar=sys.stderr.isatty(), watch=console.say)
    if args.json:
        console.print_json(report)
    else:
        console.emit(
            f"weights: {out / report.weights} (epoch {report.best_epoch}; {report.wall_seconds:.0f} s, "
            f"{report.cpu_seconds:.0f} s of processor time)"
        )
    return exit_codes.OK
