"""A server's address, from the URL that the caller gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import urlsplit

Scheme = Literal["grpc", "grpcs", "http", "https"]

_DEFAULT_PORTS: dict[str, int] = {"grpc": 8001, "grpcs": 8001, "http": 8000, "https": 8000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One server.

    Attributes:
        scheme: the protocol.
        host: name or IP address, an IPv6 address without its brackets.
        port: TCP port; Triton's default of the protocol where the URL has none.
        path: prefix of every HTTP path, for a server behind a proxy; "" or "/…" without a last slash.
        server_name: the name to verify and to send, where `host` is an address that a name resolved to.
    """

    scheme: Scheme
    host: str
    port: int
    path: str = ""
    server_name: str = ""

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme in ("grpcs", "https")

    @property
    def netloc(self) -> str:
        """`host:port`, with brackets around an IPv6 address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.path}"


def parse_address(url: str) -> Address:
    """The address that `url` names.

    Raises:
        ValueError: the URL has no known scheme, no host, a port that is none, or parts that have no meaning here.
    """
    parts = urlsplit(url)
    if "://" not in url or parts.scheme not in _DEFAULT_PORTS:
        raise ValueError(
            f"a server's address starts with grpc://, grpcs://, http:// or https://, got {_without_secrets(url)!r}"
        )
    if parts.username is not None or parts.password is not None:
        raise ValueError("credentials do not belong in an address; use token=, headers= or restricted_key=")
    if not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"a server's address is SCHEME://HOST[:PORT], got {url!r}")
    path = parts.path.rstrip("/")
    if path and parts.scheme.startswith("grpc"):
        raise ValueError(f"a gRPC address has no path, got {url!r}")
    return Address(
        scheme=cast("Scheme", parts.scheme),
        host=parts.hostname,
        port=parts.port or _DEFAULT_PORTS[parts.scheme],
        path=path,
    )


def _without_secrets(url: str) -> str:
    """`url` as far as an error message may show it."""
    return url.rpartition("@")[2]
