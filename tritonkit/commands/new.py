"""`tritonkit new`: a factory of your own -> a folder that builds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tritonkit.commands import console, exit_codes

if TYPE_CHECKING:
    import argparse

EXAMPLE = "tritonkit new iris --from flowers:flowers --weights flowers.safetensors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's own arguments."""
    parser.add_argument("folder", type=Path, metavar="NAME", help="the folder to write; its last part names the model")
    parser.add_argument(
        "--from",
        dest="factory",
        required=True,
        metavar="MODULE:FUNCTION",
        help="returns the torch.nn.Module; modules here come before installed ones, and are copied",
    )
    parser.add_argument(
        "--example",
        metavar="MODULE:FUNCTION",
        help="returns one batch of its input: a tensor, several, or a mapping (default: `example` beside the factory)",
    )
    parser.add_argument(
        "--weights", type=Path, help="its state dict (default: the numbers that the factory's network comes with)"
    )


def run(args: argparse.Namespace) -> int:
    """Writes the folder and says what was guessed."""
    from builder.new_folder import Wish, write_new_folder  # noqa: PLC0415 - torch takes seconds, `--help` needs none

    wish = Wish(folder=args.folder, factory=args.factory, example=args.example, weights=args.weights)
    spec = write_new_folder(wish, Path.cwd())
    if args.json:
        console.print_json(spec)
        return exit_codes.OK
    rows = [
        (side, tensor.name, tensor.data_type, list(tensor.dims))
        for side, tensors in (("input", spec.inputs), ("output", spec.outputs))
        for tensor in tensors
    ]
    console.emit(console.table(("guessed", "name", "data type", "dims"), rows))
    if spec.serving.max_batch_size == 0:
        console.say("no dimension was found that counts samples: serving.max_batch_size is 0")
    console.emit(f"written: {args.folder}; next: tritonkit build {args.folder}")
    return exit_codes.OK
