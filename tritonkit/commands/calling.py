"""What the verbs that call a running server share: its address on the command line, and the client's errors."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clients import TLS, ClientError, DeadlineError, RestrictedKey, UnavailableError
from tritonkit.spec import errors

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import Any

_PORTS = {"grpc": 8001, "http": 8000}


def add_server_arguments(parser: argparse.ArgumentParser, *, folder: bool = False) -> None:
    """Adds the server's address and what it takes to be let in. Secrets come from the environment, never from here.

    Args:
        parser: of the verb.
        folder: whether the verb also takes a repository, which it serves by itself.
    """
    parser.add_argument(
        "server",
        metavar="FOLDER|URL" if folder else "URL",
        help=("what `tritonkit build` wrote, or a model repository, which is served meanwhile; or " if folder else "")
        + "grpc://HOST:PORT, http://HOST:PORT, grpcs://…, https://…, or a HOST alone",
    )
    parser.add_argument(
        "--protocol", choices=("grpc", "http", "both"), help="for a HOST alone, ports 8001 and 8000 (default: grpc)"
    )
    parser.add_argument("--grpc-port", type=int, metavar="PORT", help="for a HOST alone (default: 8001)")
    parser.add_argument("--http-port", type=int, metavar="PORT", help="for a HOST alone (default: 8000)")
    parser.add_argument(
        "--timeout", type=float, default=5.0, metavar="SECONDS", help="of each call (default: %(default)g)"
    )
    parser.add_argument("--ca", metavar="PEM", help="authorities to trust, for grpcs and https")
    parser.add_argument("--certificate", metavar="PEM", help="this client's certificate, for mutual TLS")
    parser.add_argument("--key", metavar="PEM", help="its private key")
    parser.add_argument("--token-env", metavar="VARIABLE", help="environment variable with a bearer token")
    parser.add_argument(
        "--restricted-key",
        metavar="NAME=VARIABLE",
        help="name of the key of Triton's restricted APIs, and the environment variable with its value",
    )


def server_urls(args: argparse.Namespace) -> list[str]:
    """The addresses that the arguments name: one, or with `--protocol both` a gRPC and an HTTP one.

    Raises:
        InputError: the address and the other arguments contradict each other.
    """
    if "://" in args.server:
        if args.protocol or args.grpc_port or args.http_port:
            raise errors.InputError(
                "the address already says protocol and port",
                where=args.server,
                hint="leave out --protocol, --grpc-port and --http-port, or give the host alone",
            )
        return [args.server]
    if ":" in args.server and not args.server.startswith("["):
        raise errors.InputError(
            "an address with a port needs its protocol",
            where=args.server,
            expected=f"grpc://{args.server} or http://{args.server}",
        )
    protocols = ("grpc", "http") if args.protocol == "both" else (args.protocol or "grpc",)
    ports = {"grpc": args.grpc_port or _PORTS["grpc"], "http": args.http_port or _PORTS["http"]}
    return [f"{protocol}://{args.server}:{ports[protocol]}" for protocol in protocols]


def client_options(args: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments of a client for the command line's options.

    Raises:
        InputError: a variable is not set, or the certificate and its key are not given together.
    """
    options: dict[str, Any] = {"timeout": args.timeout}
    if args.ca or args.certificate or args.key:
        try:
            options["tls"] = TLS(ca=args.ca, certificate=args.certificate, key=args.key)
        except ValueError as error:
            raise errors.InputError(str(error)) from None
    if args.token_env:
        options["token"] = _variable(args.token_env)
    if args.restricted_key:
        name, _, variable = args.restricted_key.partition("=")
        options["restricted_key"] = RestrictedKey(name, _variable(variable))
    return options


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise errors.InputError("the environment variable is not set", where=name or "--restricted-key")
    return value


@contextmanager
def client_errors() -> Iterator[None]:
    """Raises the kit's error for a client's."""
    try:
        yield
    except ClientError as error:
        raise kit_error(error) from error
    except (ValueError, OSError) as error:
        # Options and certificate files are checked when a client is made.
        raise errors.InputError(str(error)) from error


def kit_error(error: ClientError) -> errors.KitError:
    """The kit's error that says the same."""
    kind = errors.UnavailableError if isinstance(error, UnavailableError | DeadlineError) else errors.InputError
    return kind(
        error.what,
        where=error.where or error.endpoint or None,
        got=error.got,
        expected=error.expected,
        hint=error.hint,
    )
