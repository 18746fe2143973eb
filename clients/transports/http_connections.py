"""Connections of the blocking HTTP transport: sockets with a deadline, and a pool of them.

Sockets, not tritonclient's HTTP client: that one is built on gevent, and several threads on one client hang. Plain
sockets are right under threads, and under gevent too once it has patched the socket module, as in a Locust process.
"""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from ..forks import generation, guard
from ..messages import Code, Fault
from .http_responses import read_response

if TYPE_CHECKING:
    from ..addresses import Address
    from ..options import TLS
    from .http_messages import HttpRequest, HttpResponse

# A stopping Triton waits until every HTTP connection is closed, idle ones too, and refuses new ones. So an idle
# connection does not live long, and a busy one is renewed, which is how a client learns that the server stops.
IDLE_SECONDS = 4.0
AGE_SECONDS = 5.0

# Below this size one write of head and body costs less than two.
_JOIN_BELOW = 65_536


def tls_context(tls: TLS | None) -> ssl.SSLContext:
    """The certificates of `tls`, read from their files; the server's is always verified."""
    context = ssl.create_default_context(cafile=None if tls is None or tls.ca is None else str(tls.ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls is not None and tls.certificate is not None:
        context.load_cert_chain(str(tls.certificate), str(tls.key))
    return context


class Deadline:
    """A moment on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then.

        Raises:
            TimeoutError: it has passed.
        """
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Reader(io.RawIOBase):
    """Reads a socket until the deadline, however slowly the bytes drip in."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._deadline.left())
        return self._sock.recv_into(buffer)


class Connection:
    """One connection, used by one call at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.opened = self.last_used = time.monotonic()

    def exchange(self, head: bytes, request: HttpRequest, deadline: Deadline) -> tuple[HttpResponse, bool]:
        """Sends a request and reads the response; the second value says whether the connection can be used again.

        Raises:
            OSError: the connection failed, or the deadline passed.
            Fault: the connection ended, or what came is no HTTP response.
        """
        sock = self._sock
        sock.settimeout(deadline.left())
        if request.size < _JOIN_BELOW:
            sock.sendall(b"".join((head, *request.body)))
        else:
            sock.sendall(head)
            for part in request.body:
                sock.settimeout(deadline.left())
                sock.sendall(part)
        response, reusable = read_response(io.BufferedReader(_Reader(sock, deadline), 65_536))
        self.last_used = time.monotonic()
        return response, reusable

    def is_fresh(self, now: float) -> bool:
        """Whether it may take another request: young enough, and not closed from the other side."""
        if now - self.opened > AGE_SECONDS or now - self.last_used > IDLE_SECONDS:
            return False
        self._sock.settimeout(0.0)
        try:
            # An idle connection has nothing to read: an end of file, an error and stray bytes all spoil it.
            self._sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        return False

    def close(self) -> None:
        """Closes it."""
        self._sock.close()

    def abort(self) -> None:
        """Ends the exchange that another thread is waiting in."""
        with contextlib.suppress(OSError):  # closed already
            self._sock.shutdown(socket.SHUT_RDWR)


class Pool:
    """The idle connections to one server; safe under threads, and empty after a fork."""

    def __init__(self, address: Address, *, connect_seconds: float, tls: TLS | None) -> None:
        self._address = address
        self._connect_seconds = connect_seconds
        self._context = tls_context(tls) if address.secure else None
        self._server_name = (
            address.server_name or (tls.server_name if tls is not None and tls.server_name else "") or address.host
        )
        self._idle: deque[Connection] = deque()
        self.lock: threading.Lock
        guard(self)
        self._generation = generation()
        self._reaper: threading.Timer | None = None
        self._closed = False

    def take(self, deadline: Deadline) -> Connection:
        """An idle connection, or a new one.

        Raises:
            Fault: the server cannot be reached.
        """
        if self._generation != generation():
            # The parent's connections: to use them would mix two processes' bytes, to shut them down would cut it off.
            self._idle, self._generation, self._reaper = deque(), generation(), None
        now = time.monotonic()
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._connect(deadline)
            if connection.is_fresh(now):
                return connection
            connection.close()

    def give(self, connection: Connection) -> None:
        """Takes back a connection that can be used again."""
        if self._closed:
            connection.close()
            return
        self._idle.append(connection)
        if self._reaper is None:
            self._watch()

    def empty(self) -> None:
        """Closes the idle connections."""
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return

    def close(self) -> None:
        """Closes the idle connections; those in use are closed when they come back."""
        self._closed = True
        with self.lock:
            if self._reaper is not None:
                self._reaper.cancel()
                self._reaper = None
        self.empty()

    def _connect(self, deadline: Deadline) -> Connection:
        if self._closed:
            raise Fault(Code.CANCELLED, "the client is closed")
        left = deadline.left()
        seconds = min(self._connect_seconds, left)
        try:
            sock = socket.create_connection((self._address.host, self._address.port), seconds)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._context is not None:
                    sock = self._context.wrap_socket(sock, server_hostname=self._server_name)
            except BaseException:
                sock.close()
                raise
        except TimeoutError:
            if seconds == left:
                raise
            raise Fault(Code.NOT_CONNECTED, f"no connection within {seconds:g} s") from None
        except OSError as error:
            raise Fault(Code.NOT_CONNECTED, error.strerror or str(error)) from None
        return Connection(sock)

    def _watch(self) -> None:
        """Has the idle connections closed when they have been idle too long, even if no call comes any more."""
        with self.lock:
            if self._reaper is None and not self._closed:
                self._reaper = threading.Timer(IDLE_SECONDS, self._reap)
                self._reaper.daemon = True
                self._reaper.start()

    def _reap(self) -> None:
        now = time.monotonic()
        # The left end holds those that have been idle longest: calls take and give at the right.
        while self._idle and now - self._idle[0].last_used >= IDLE_SECONDS / 2:
            try:
                self._idle.popleft().close()
            except IndexError:
                break
        with self.lock:
            self._reaper = None
        if self._idle:
            self._watch()
