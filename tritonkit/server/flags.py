"""Options and what this server understands -> its command line. Nothing about a version is assumed."""

from __future__ import annotations

import difflib
import re
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from tritonkit.spec.errors import InputError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tritonkit.server.options import Control, ServerOptions

ADMIN_HEADER = "tritonkit-admin"
# The gRPC server looks for the header under this prefix (docs/protocol/extension, restricted protocols).
GRPC_ADMIN_HEADER = f"triton-grpc-protocol-{ADMIN_HEADER}"
HELP_TIMEOUT_SECONDS = 30
_FLAG = re.compile(r"^  --([a-z0-9-]+)", re.MULTILINE)
# Flags that first appeared after the server of the wheel, by the release that brought them.
NEWER_FLAGS = {
    "grpc-max-response-pool-size": (25, 3),
    "grpc-infer-thread-count": (25, 4),
    "http-max-input-size": (25, 6),
    "allow-client-shm": (26, 4),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The three ports of a server."""

    http: int
    grpc: int
    metrics: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What the options leave open, decided.

    Attributes:
        control: the model control mode.
        load: the models that are loaded at the start, under explicit control.
        expected: the models that must be ready, as far as they are known beforehand.
        auto_complete: whether Triton may complete configurations.
        ports: the ports to listen on.
        admin_key: the key of the restricted APIs.
        shared_memory_prefix: how the names of the Python backend's regions begin.
    """

    control: Control
    load: tuple[str, ...]
    expected: tuple[str, ...]
    auto_complete: bool
    ports: Ports
    admin_key: str
    shared_memory_prefix: str


@lru_cache(maxsize=8)
def known_flags(
    command: tuple[str, ...], environment: tuple[tuple[str, str], ...], timeout: float = HELP_TIMEOUT_SECONDS
) -> frozenset[str]:
    """The names of all flags that the server's own help lists; each server is asked once.

    Args:
        command: what prints that help.
        environment: its variables.
        timeout: seconds; a container's image may have to be fetched first.

    Raises:
        UnavailableError: the server cannot be run.
    """
    try:
        shown = subprocess.run(
            command, env=dict(environment), capture_output=True, text=True, timeout=timeout, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError("tritonserver cannot be run", where=command[0], got=error) from None
    flags = frozenset(_FLAG.findall(shown.stdout + shown.stderr))
    if "model-repository" not in flags:
        reason = (shown.stderr or shown.stdout).strip().splitlines()[-1:] or ["no output"]
        raise UnavailableError("tritonserver cannot be run", where=command[0], got=reason[0])
    return flags


def started_lines(address: str, ports: Ports) -> frozenset[str]:
    """The lines by which a server says, in its own log, that it listens on its three ports."""
    return frozenset(
        {
            f"Started GRPCInferenceService at {address}:{ports.grpc}",
            f"Started HTTPService at {address}:{ports.http}",
            f"Started Metrics Service at {address}:{ports.metrics}",
        }
    )


def server_arguments(
    options: ServerOptions,
    resolved: Resolved,
    known: frozenset[str],
    *,
    repository: str,
    address: str,
    ports: Ports,
) -> tuple[str, ...]:
    """The server's flags: safe defaults, what the options ask for, then the user's own, which win.

    Args:
        options: what the user asked for.
        resolved: what the options left open.
        known: the flags that this server understands.
        repository: the model repository as the server sees it.
        address: the address to listen on, as the server sees it.
        ports: the ports to listen on, as the server sees them.

    Raises:
        InputError: a flag of the user's that this server does not understand, or that an option has set.
    """
    _check_extra_flags(options.extra_flags, known)
    given = {_name(flag) for flag in options.extra_flags}
    flags: list[tuple[str, str]] = [
        ("model-repository", repository),
        ("model-control-mode", resolved.control),
        *(("load-model", name) for name in resolved.load),
        ("http-address", address),
        ("grpc-address", address),
        ("metrics-address", address),
        ("http-port", str(ports.http)),
        ("grpc-port", str(ports.grpc)),
        ("metrics-port", str(ports.metrics)),
        ("exit-on-error", _boolean(options.exit_on_error)),
        ("strict-readiness", _boolean(options.strict_readiness)),
        ("exit-timeout-secs", str(options.exit_timeout_seconds)),
        ("allow-sagemaker", "false"),
        ("allow-vertex-ai", "false"),
        ("allow-client-shm", _boolean("shared-memory" not in options.restricted_apis)),
        ("backend-config", f"python,shm-region-prefix-name={resolved.shared_memory_prefix}"),
    ]
    flags += restrictions(options.restricted_apis, resolved.admin_key)
    arguments = [
        f"--{name}={value}" for name, value in flags if name in known and (name not in given or name in _REPEATED)
    ]
    if not resolved.auto_complete:
        arguments.append("--disable-auto-complete-config")
    return (*arguments, *options.extra_flags)


def restrictions(apis: Sequence[str], key: str) -> list[tuple[str, str]]:
    """The flags that make `apis` ask for `key` on both protocols."""
    if not apis:
        return []
    group = f"{','.join(apis)}:{ADMIN_HEADER}={key}"
    return [("http-restricted-api", group), ("grpc-restricted-protocol", group)]


_REPEATED = {"backend-config", "load-model"}

# Given another way, the server would be waited for where it does not listen.
_BY_OPTION = {
    "model-repository": "name the repository before --",
    **{f"{name}-port": f"--{name}-port before --" for name in ("http", "grpc", "metrics")},
    **{f"{name}-address": "the address is not a flag's choice" for name in ("http", "grpc", "metrics")},
}
_ASKED = ("allow-http", "allow-grpc", "allow-metrics")


def _check_extra_flags(extra_flags: Sequence[str], known: frozenset[str]) -> None:
    for flag in extra_flags:
        name = _name(flag)
        if flag.startswith("--") and name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            since = NEWER_FLAGS.get(name)
            hint = (
                f"it came with {since[0]}.{since[1]:02d}"
                if since
                else f"did you mean --{nearest[0]}?"
                if nearest
                else None
            )
            raise InputError("this Triton does not know the flag", got=f"--{name}", hint=hint)
        if name in _BY_OPTION:
            raise InputError("the flag is set already", got=f"--{name}", hint=_BY_OPTION[name])
        if name in _ASKED and flag.partition("=")[2].lower() in {"false", "0"}:
            raise InputError(
                "the server is asked over all three of its ports", got=flag, hint="leave the flag out", expected="on"
            )


def _name(flag: str) -> str:
    return flag.removeprefix("--").partition("=")[0]


def _boolean(value: bool) -> str:
    return "true" if value else "false"
