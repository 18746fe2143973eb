"""`tritonkit verify`: is what a repository serves still, bit for bit, what was proven?"""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tritonkit.commands import console, exit_codes
from tritonkit.repository.verify import copy_verified, verify
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    import argparse

EXAMPLE = "tritonkit verify model_repository --model efficientnet_lite0"

_MODEL = re.compile(r"(?P<name>[^=]+)(?:=(?P<digest>[0-9a-f]{64}))?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("repository", type=Path, help="a model repository, or a candidate's")
    parser.add_argument(
        "--model",
        action="append",
        required=True,
        metavar="NAME[=SHA256]",
        help="a served name, and the digest that its manifest.json must have; repeatable",
    )
    parser.add_argument(
        "--copy-to",
        type=Path,
        metavar="FOLDER",
        help="copy the version of that digest, served or not, with its parts into FOLDER, and verify the copy",
    )


def run(args: argparse.Namespace) -> int:
    """Compares every file and folder with the manifest; exit code 1 at the first that differs."""
    verified = []
    for text in args.model:
        match = _MODEL.fullmatch(text)
        if match is None:
            raise InputError("this names no model", got=text, expected="NAME, or NAME=SHA256 with 64 hex digits")
        if args.copy_to is None:
            verified.append(verify(args.repository, match["name"], match["digest"]))
        else:
            verified.append(copy_verified(args.repository, match["name"], args.copy_to, match["digest"]))
    if args.json:
        console.print_json([asdict(model) for model in verified])
    else:
        for model in verified:
            console.emit(f"{model.name} version {model.version}: {model.files} files are what was proven")
    return exit_codes.OK
