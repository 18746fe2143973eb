"""`tritonkit verify`: is what a repository holds still, bit for bit, what was proven, and whose is it?"""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tritonkit.commands import console, exit_codes
from tritonkit.commands.trust import add_trust_arguments, trust_asked_for
from tritonkit.repository.signing import check_signature
from tritonkit.repository.verify import copy_verified, verify, verify_repository
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    import argparse

    from tritonkit.repository.verify import Verified

EXAMPLE = "tritonkit verify model_repository --public-key signing.pub"

_MODEL = re.compile(r"(?P<name>[^=]+)(?:=(?P<digest>[0-9a-f]{64}))?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("repository", help="a model repository: a folder, s3:// or gs://; or a candidate's folder")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME[=SHA256]",
        help="only the served version of this name, and the digest that its manifest.json must have; repeatable "
        "(default: every version of every name)",
    )
    parser.add_argument(
        "--copy-to",
        type=Path,
        metavar="FOLDER",
        help="copy the version of that digest, served or not, with its parts into FOLDER, and verify the copy",
    )
    add_trust_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Compares every file and folder with the manifest; exit code 1 at the first that differs."""
    verified = _verify_models(args) if args.model else verify_repository(args.repository, trust_asked_for(args))
    if args.json:
        console.print_json([asdict(model) for model in verified])
    else:
        for model in verified:
            console.emit(f"{model.name} version {model.version}: {model.files} files are what was proven")
    return exit_codes.OK


def _verify_models(args: argparse.Namespace) -> tuple[Verified, ...]:
    """The named models alone, in a folder."""
    repository, trust = Path(args.repository), trust_asked_for(args)
    if "://" in args.repository:
        raise InputError("--model looks into a folder", got=args.repository, hint="leave --model out")
    verified = []
    for text in args.model:
        match = _MODEL.fullmatch(text)
        if match is None:
            raise InputError("this names no model", got=text, expected="NAME, or NAME=SHA256 with 64 hex digits")
        if args.copy_to is None:
            model = verify(repository, match["name"], match["digest"])
        else:
            model = copy_verified(repository, match["name"], args.copy_to, match["digest"])
        if trust is not None:
            check_signature((args.copy_to or repository) / model.name / str(model.version), trust)
        verified.append(model)
    return tuple(verified)
