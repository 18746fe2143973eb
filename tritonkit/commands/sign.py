"""`tritonkit sign`: sign a candidate, so that whoever publishes or loads it can tell whose it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tritonkit.commands import console, exit_codes
from tritonkit.commands.candidate_folder import candidate_folder
from tritonkit.repository.publish import check_candidate
from tritonkit.repository.signing import Signer, sign
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    import argparse

EXAMPLE = "tritonkit sign out/efficientnet_lite0 --key signing.pem"

PASSPHRASE_VARIABLE = "TRITONKIT_SIGNING_PASSPHRASE"  # noqa: S105 - the name of the variable
"""An argument would show in every process list."""

IDENTITY_TOKEN_VARIABLE = "TRITONKIT_IDENTITY_TOKEN"  # noqa: S105 - the name of the variable
"""The same holds for a token."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("candidate", type=Path, help="the folder that `tritonkit build` wrote")
    ways = parser.add_mutually_exclusive_group(required=True)
    ways.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="PEM file of an elliptic private key (P-256, P-384 or P-521); its passphrase, if it has one, is read from "
        f"${PASSPHRASE_VARIABLE}",
    )
    ways.add_argument(
        "--keyless",
        action="store_true",
        help="sign with Sigstore, over the network, by an identity instead of a key: the token in "
        f"${IDENTITY_TOKEN_VARIABLE}, else the machine's own (as in CI), else whoever logs in with the browser",
    )
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="PEM file of the certificate of that key")
    parser.add_argument(
        "--chain", type=Path, action="append", default=[], metavar="FILE", help="a certificate above it; repeatable"
    )


def run(args: argparse.Namespace) -> int:
    """Checks the candidate, then signs its manifest."""
    if args.keyless and (args.certificate is not None or args.chain):
        raise InputError("a certificate is that of a key", got="--certificate with --keyless", hint="name --key")
    candidate = check_candidate(candidate_folder(args.candidate))
    signer = Signer(
        private_key=args.key,
        passphrase=os.environ.get(PASSPHRASE_VARIABLE) or None,
        certificate=args.certificate,
        chain=tuple(args.chain),
        identity_token=os.environ.get(IDENTITY_TOKEN_VARIABLE) or None,
    )
    signature = sign(candidate.version_folder, signer)
    if args.json:
        console.print_json({"name": candidate.manifest.name, "signature": str(signature)})
    else:
        console.emit(f"signed {candidate.manifest.name}: {signature}")
    return exit_codes.OK
