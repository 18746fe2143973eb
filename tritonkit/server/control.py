"""Model control over HTTP: load, unload, index."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import quote

from tritonkit.server.logs import one_line
from tritonkit.server.readiness import Reply, ask
from tritonkit.spec.errors import GateError, KitError, UnavailableError

LOAD_TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """One line of the repository's index.

    Attributes:
        name: the model.
        version: its version; `None` for a model that has never been loaded.
        state: READY, LOADING, UNLOADING or UNAVAILABLE; empty for a model that has never been loaded.
        reason: why it is not ready, in one line.
    """

    name: str
    version: int | None
    state: str
    reason: str

    @property
    def ready(self) -> bool:
        """Whether it answers requests."""
        return self.state == "READY"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlChannel:
    """Where and how to reach the administrative API of one server."""

    host: str
    port: int
    headers: dict[str, str]


def index(channel: ControlChannel) -> tuple[ModelState, ...]:
    """Every model that the server knows of, with its state.

    Raises:
        UnavailableError: the server does not answer.
        GateError: it refuses.
    """
    reply = _post(channel, "/v2/repository/index", {}, timeout=10.0)
    if not reply.ok:
        raise _refusal("the server refused to list its models", reply)
    return tuple(
        ModelState(
            name=str(entry["name"]),
            version=int(entry["version"]) if entry.get("version") else None,
            state=str(entry.get("state", "")),
            reason=one_line(str(entry.get("reason", ""))),
        )
        for entry in reply.body or ()
    )


def load(channel: ControlChannel, model: str, *, timeout: float = LOAD_TIMEOUT_SECONDS) -> None:
    """Loads `model`, or loads it anew if its files have changed.

    Raises:
        GateError: it does not load, with its own reason.
        UnavailableError: the server does not answer.
    """
    reply = _post(channel, f"/v2/repository/models/{quote(model, safe='')}/load", {}, timeout=timeout)
    if not reply.ok:
        raise _refusal("this model does not load", reply, model)


def reload(channel: ControlChannel, model: str, *, timeout: float = LOAD_TIMEOUT_SECONDS) -> None:
    """Replaces the instances of a loaded model by new ones, although its files have not changed.

    A plain load does nothing then. Handing the server the model's own configuration makes it build the instances and
    swap them, with no moment in which an ensemble that calls the model is without it.

    Raises:
        GateError: it does not load, with its own reason.
        UnavailableError: the server does not answer.
    """
    path = f"/v2/models/{quote(model, safe='')}/config"
    config = ask(channel.host, channel.port, path, headers=channel.headers)
    if not config.ok:
        raise _refusal("this model's configuration cannot be read", config, model)
    body = {"parameters": {"config": json.dumps(config.body)}}
    reply = _post(channel, f"/v2/repository/models/{quote(model, safe='')}/load", body, timeout=timeout)
    if not reply.ok:
        raise _refusal("this model does not load", reply, model)


def unload(channel: ControlChannel, model: str, *, timeout: float = LOAD_TIMEOUT_SECONDS) -> None:
    """Unloads `model`, and with an ensemble the models that only it uses.

    Raises:
        GateError: the server refuses.
        UnavailableError: the server does not answer.
    """
    path = f"/v2/repository/models/{quote(model, safe='')}/unload"
    reply = _post(channel, path, {"parameters": {"unload_dependents": True}}, timeout=timeout)
    if not reply.ok:
        raise _refusal("this model was not unloaded", reply, model)


def _post(channel: ControlChannel, path: str, body: object, *, timeout: float) -> Reply:
    reply = ask(channel.host, channel.port, path, method="POST", body=body, headers=channel.headers, timeout=timeout)
    if reply.status == 0:
        raise UnavailableError(
            "the server does not answer", where=f"http://{channel.host}:{channel.port}", got=reply.error
        )
    return reply


def _refusal(what: str, reply: Reply, model: str | None = None) -> KitError:
    return GateError(what, where=model, got=_reason(reply.error) or f"HTTP {reply.status}")


def _reason(text: str) -> str:
    """The model's own reason inside "load failed for model 'm': version 1 is at UNAVAILABLE state: Internal: …"."""
    return one_line(text.rpartition("is at UNAVAILABLE state: ")[2])
