"""The arguments that say whom a signature must be from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tritonkit.repository.signing import Trust
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    import argparse


def add_trust_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds `--public-key`, `--root-certificate`, `--identity` and `--issuer`."""
    parser.add_argument(
        "--public-key", type=Path, metavar="FILE", help="demand a signature by this key (PEM); checked offline"
    )
    parser.add_argument(
        "--root-certificate",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="demand a signature under this certificate (PEM); repeatable; checked offline",
    )
    parser.add_argument("--identity", metavar="WHO", help="demand a signature with Sigstore by this identity")
    parser.add_argument("--issuer", metavar="URL", help="the OpenID Connect issuer of --identity")


def trust_asked_for(args: argparse.Namespace) -> Trust | None:
    """Whom a signature must be from; `None` where none is asked for.

    Raises:
        InputError: more than one way was named, or an identity without its issuer.
    """
    ways = [args.public_key is not None, bool(args.root_certificate), args.identity is not None]
    if sum(ways) > 1:
        raise InputError("a signature is by a key, a certificate or an identity", got="more than one of them")
    if (args.identity is None) != (args.issuer is None):
        raise InputError("an identity is known to an issuer", expected="--identity and --issuer together")
    if not any(ways):
        return None
    return Trust(
        public_key=args.public_key,
        roots=tuple(args.root_certificate),
        identity=(args.identity, args.issuer) if args.identity else None,
    )
