"""What a server is asked to do: frozen, with safe defaults."""

from __future__ import annotations

import ipaddress
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Literal

from tritonkit.spec.errors import InputError
from tritonkit.spec.ngc import DEFAULT_RELEASE

if TYPE_CHECKING:
    from pathlib import Path

Control = Literal["none", "explicit"]
Runtime = Literal["wheel", "docker", "podman"]

# Triton's own names of the protocol groups that change a server or read its host's memory. `model-config` and
# `statistics` only read, and measuring tools need them; a network-facing deployment restricts them too.
ADMINISTRATIVE_APIS = ("model-repository", "shared-memory", "trace", "logging")


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How to run one tritonserver.

    Attributes:
        repository: the model repository: a folder, or an object store's address (`s3://`, `gs://`, `as://`).
        models: the models to load, under explicit control; empty means what the repository serves
            (`tritonkit.server.served.served_models`).
        control: Triton's `--model-control-mode`; `None` means explicit when models are named or the repository
            holds parts that nobody calls by name, else none.
        http_port, grpc_port, metrics_port: `None` takes a free one.
        host: the address to listen on; the local server is too old to face a network, so it takes loopback only.
        release: the NGC release that the server stands for.
        exit_on_error: whether one model that does not load ends the server.
        strict_readiness: whether `/v2/health/ready` demands that every known model is ready.
        auto_complete: whether Triton may complete configurations; `None` means unless every served model was
            built by the kit, whose configurations are complete.
        exit_timeout_seconds: the server's budget for requests in flight when it is asked to stop.
        restricted_apis: protocol groups that demand the administrator's key, on HTTP and gRPC alike.
        admin_key: that key; `None` makes one.
        packages: further requirements of the server's Python environment.
        log_path: where the server's log goes; `None` means a new file below the cache root.
        runtime: the wheel's server, or a container engine.
        image: the container image; `None` means that of `release`.
        extra_flags: further tritonserver flags, as typed.
    """

    repository: str | Path
    models: tuple[str, ...] = ()
    _: KW_ONLY
    control: Control | None = None
    http_port: int | None = None
    grpc_port: int | None = None
    metrics_port: int | None = None
    host: str = "127.0.0.1"
    release: str = DEFAULT_RELEASE
    exit_on_error: bool = True
    strict_readiness: bool = True
    auto_complete: bool | None = None
    exit_timeout_seconds: int = 10
    restricted_apis: tuple[str, ...] = ADMINISTRATIVE_APIS
    admin_key: str | None = field(default=None, repr=False)
    packages: tuple[str, ...] = ()
    log_path: Path | None = None
    runtime: Runtime = "wheel"
    image: str | None = None
    extra_flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.runtime == "wheel" and not _is_loopback(self.host):
            raise InputError(
                "the local Triton is too old to face a network",
                got=self.host,
                expected="a loopback address",
                hint="use --runtime docker with a current image behind a gateway",
            )
        if self.models and self.control == "none":
            raise InputError("naming the models to load needs explicit model control", got="control mode none")
        if self.exit_timeout_seconds < 0:
            raise InputError("the exit timeout is negative", got=self.exit_timeout_seconds, expected="seconds >= 0")
        for name, port in (("http", self.http_port), ("grpc", self.grpc_port), ("metrics", self.metrics_port)):
            if port is not None and not 0 < port < 65536:
                raise InputError(f"the {name} port is no port number", got=port, expected="1 to 65535")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
