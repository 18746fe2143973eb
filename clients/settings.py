"""A client's keyword arguments -> checked options, for both clients alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .messages import NO_HEADERS, Headers
from .options import Breaker, Compression, Hedge, Memory, RestrictedKey, Retry, Timeout, Token
from .steps import Options
from .transports.opening import key_header

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .addresses import Address
    from .options import TLS

_HEADER_NAME = re.compile(r"[0-9a-z!#$%&'*+.^_`|~-]+")


def settle(
    addresses: Sequence[Address],
    *,
    timeout: float | Timeout,
    retry: Retry,
    breaker: Breaker | None,
    hedge: Hedge | None,
    tls: TLS | None,
    token: Token | None,
    restricted_key: RestrictedKey | None,
    headers: Mapping[str, str] | None,
    compression: Compression | None,
    shared_memory: Memory | None,
    validate: bool,
    allow_nan: bool,
) -> Options:
    """The options of a client of `addresses`.

    Raises:
        ValueError: the addresses or options do not fit together.
    """
    if not addresses:
        raise ValueError("a client needs the address of a server")
    if len({address.scheme for address in addresses}) > 1:
        raise ValueError("the servers of one client speak one protocol")
    if tls is not None and not addresses[0].secure:
        raise ValueError(f"tls= needs a grpcs:// or https:// address, got {addresses[0]}")
    if compression not in (None, "gzip", "deflate"):
        raise ValueError(f"compression is 'gzip', 'deflate' or None, got {compression!r}")
    if shared_memory not in (None, "system", "cuda"):
        raise ValueError(f"shared_memory is 'system', 'cuda' or None, got {shared_memory!r}")
    if shared_memory is not None and len(addresses) > 1:
        raise ValueError("shared memory is shared with one server, on the same machine")
    if breaker is None and len(addresses) > 1:
        breaker = Breaker()
    return Options(
        timeout=timeout if isinstance(timeout, Timeout) else Timeout(call=timeout),
        retry=retry,
        breaker=breaker,
        hedge=hedge,
        headers=Headers(
            (
                *checked_headers(headers),
                *((key_header(addresses[0], restricted_key),) if restricted_key is not None else ()),
            )
        ),
        token=token,
        compression=compression,
        shared_memory=shared_memory,
        validate=validate,
        allow_nan=allow_nan,
    )


def checked_headers(headers: Mapping[str, str] | None) -> Headers:
    """Headers with lower-case names, as gRPC wants them.

    Raises:
        ValueError: a name or value could change the request around it. The value, which may be a secret, is not shown.
    """
    if not headers:
        return NO_HEADERS
    pairs = Headers((name.lower(), value) for name, value in headers.items())
    for name, value in pairs:
        if not _HEADER_NAME.fullmatch(name) or not value.isprintable() or not value.isascii():
            raise ValueError(f"header {name!r} is not one line of printable ASCII")
    return pairs
