"""Asks a server over HTTP how it is, with nothing but the standard library."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

PROBE_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One HTTP answer.

    Attributes:
        status: the HTTP status; 0 when nobody answered.
        body: the decoded JSON; `None` if there was none.
        error: Triton's error text, or why nobody answered.
    """

    status: int
    body: Any
    error: str

    @property
    def ok(self) -> bool:
        """Whether the status says success."""
        return 200 <= self.status < 300


def ask(
    host: str,
    port: int,
    path: str,
    *,
    method: str = "GET",
    body: object = None,
    headers: dict[str, str] | None = None,
    timeout: float = PROBE_TIMEOUT_SECONDS,
) -> Reply:
    """One request on a connection of its own: an idle connection would hold up the server's end."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, body=text, headers={"Connection": "close"} | (headers or {}))
        response = connection.getresponse()
        payload = response.read()
    except (OSError, http.client.HTTPException) as error:
        return Reply(status=0, body=None, error=str(error) or type(error).__name__)
    finally:
        connection.close()
    decoded = _decode(payload)
    error_text = str(decoded["error"]) if isinstance(decoded, dict) and "error" in decoded else ""
    return Reply(status=response.status, body=decoded, error=error_text)


def _decode(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return None


def server_live(host: str, port: int) -> bool:
    """Whether the server answers at all."""
    return ask(host, port, "/v2/health/live").ok


def server_ready(host: str, port: int) -> bool:
    """Whether the server says that it is ready as a whole."""
    return ask(host, port, "/v2/health/ready").ok


def model_ready(host: str, port: int, model: str, version: int | None = None) -> bool:
    """Whether one model, or one version of it, is ready, whatever the state of the others."""
    suffix = "" if version is None else f"/versions/{version}"
    return ask(host, port, f"/v2/models/{model}{suffix}/ready").ok


def metrics_answer(host: str, port: int) -> bool:
    """Whether the metrics can be read."""
    return ask(host, port, "/metrics").ok
