"""Reads one HTTP/1.1 response from a stream of bytes (RFC 9112).

The standard library's parser reads headers with the one for e-mail, which costs as much as the rest of a small call.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..messages import Code, Fault
from .http_messages import HttpResponse

if TYPE_CHECKING:
    import io

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [^\r\n]*)?\r?\n")
_DIGITS = re.compile(r"[0-9]+")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")

# What a server may make the client hold before its body begins.
_LONGEST_LINE = 65_536
_MOST_HEADERS = 100


def read_response(stream: io.BufferedReader) -> tuple[HttpResponse, bool]:
    """The response, and whether its connection can carry another request.

    Raises:
        Fault: the connection ended, or the bytes are no response.
        OSError: the stream's own.
    """
    while True:
        minor, status = _status(stream)
        headers = _headers(stream)
        # An interim response, such as 100 Continue, precedes the real one.
        if status >= 200:
            break
    closing = "close" in headers.get("connection", "").lower() or (
        minor == 0 and "keep-alive" not in headers.get("connection", "").lower()
    )
    if status in (204, 304):
        return HttpResponse(status, headers, b""), not closing
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if coding.lower() != "chunked":
            raise Fault(Code.MALFORMED, f"unknown transfer coding {coding!r}")
        return HttpResponse(status, headers, _chunks(stream)), not closing
    length = headers.get("content-length")
    if length is None:
        return HttpResponse(status, headers, stream.read()), False
    if not _DIGITS.fullmatch(length):
        raise Fault(Code.MALFORMED, f"no content length: {length!r}")
    return HttpResponse(status, headers, _exactly(stream, int(length))), not closing


def _status(stream: io.BufferedReader) -> tuple[int, int]:
    line = stream.readline(_LONGEST_LINE)
    if not line:
        raise Fault(Code.CONNECTION_LOST, "the server closed the connection without an answer")
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise Fault(Code.MALFORMED, f"no HTTP response: {line[:60]!r}")
    return int(match[1]), int(match[2])


def _headers(stream: io.BufferedReader) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(_MOST_HEADERS):
        line = stream.readline(_LONGEST_LINE)
        if line in (b"\r\n", b"\n"):
            return headers
        if not line.endswith(b"\n"):
            raise _cut_off()
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not name or name != name.strip():
            raise Fault(Code.MALFORMED, f"no HTTP header: {line[:60]!r}")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    raise Fault(Code.MALFORMED, f"more than {_MOST_HEADERS} HTTP headers")


def _chunks(stream: io.BufferedReader) -> bytes:
    chunks: list[bytes] = []
    while True:
        line = stream.readline(_LONGEST_LINE)
        match = _CHUNK_SIZE.fullmatch(line)
        if match is None:
            raise _cut_off() if not line.endswith(b"\n") else Fault(Code.MALFORMED, f"no chunk size: {line[:60]!r}")
        size = int(match[1], 16)
        if size == 0:
            _headers(stream)  # the trailer
            return b"".join(chunks)
        chunks.append(_exactly(stream, size))
        if stream.readline(3) not in (b"\r\n", b"\n"):
            raise Fault(Code.MALFORMED, "a chunk is longer than it says")


def _exactly(stream: io.BufferedReader, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise _cut_off()
    return data


def _cut_off() -> Fault:
    return Fault(Code.CONNECTION_LOST, "the server closed the connection in the middle of its answer")
