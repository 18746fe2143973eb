"""The parser of HTTP responses: what it reads, and what it refuses."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.messages import Code, Fault
from clients.transports.http_responses import read_response


class Dripping(io.RawIOBase):
    """Gives bytes in pieces of the sizes that a test draws."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._data, self._sizes = data, sizes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:
        size = min(self._sizes.pop() if self._sizes else 7, len(buffer), len(self._data))
        buffer[:size], self._data = self._data[:size], self._data[size:]
        return size


def read(data: bytes, sizes: list[int] | None = None) -> tuple[int, bytes, bool]:
    response, reusable = read_response(io.BufferedReader(Dripping(data, list(sizes or []))))
    return response.status, response.body, reusable


@given(st.binary(max_size=300), st.lists(st.integers(1, 60), max_size=40))
def test_a_body_of_known_length(body: bytes, sizes: list[int]) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert read(head + body, sizes) == (200, body, True)


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8), st.lists(st.integers(1, 60), max_size=40))
def test_a_chunked_body(chunks: list[bytes], sizes: list[int]) -> None:
    encoded = b"".join(b"%x;x=y\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + encoded + b"0\r\nTrailer: 1\r\n\r\n"
    assert read(data, sizes) == (200, b"".join(chunks), True)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail_otherwise_than_by_a_fault(data: bytes) -> None:
    for start in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"):
        with contextlib.suppress(Fault):
            read(start + data)


@pytest.mark.parametrize(
    ("data", "status", "body", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, b"until the end", False),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na", 200, b"a", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", 200, b"a", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na", 200, b"a", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 503\r\nContent-Length: 0\r\n\r\n", 503, b"", True),
    ],
)
def test_forms_of_a_response(data: bytes, status: int, body: bytes, reusable: bool) -> None:
    assert read(data) == (status, body, reusable)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", Code.CONNECTION_LOST),
        (b"HTTP/1.1 200 OK\r\nContent-Le", Code.CONNECTION_LOST),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", Code.CONNECTION_LOST),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", Code.CONNECTION_LOST),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Code.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n", Code.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", Code.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Code.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", Code.MALFORMED),
        (b"HTTP/1.1 200 OK\r\n folded\r\n\r\n", Code.MALFORMED),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n", Code.MALFORMED),
        (b"HTTP/2 200\r\n\r\n", Code.MALFORMED),
        (b"\x00\x00\x12\x04", Code.MALFORMED),
    ],
)
def test_what_is_no_response(data: bytes, code: Code) -> None:
    with pytest.raises(Fault) as caught:
        read(data)
    assert caught.value.code is code
