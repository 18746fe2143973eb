"""The command that runs a tritonserver of an NGC image in docker or podman."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tritonkit.server.flags import (
    Ports,
    Resolved,
    known_flags,
    restrictions,
    server_arguments,
    started_lines,
)
from tritonkit.server.process import Launch
from tritonkit.server.served import is_remote
from tritonkit.spec.errors import InputError, UnavailableError
from tritonkit.spec.ngc import release

if TYPE_CHECKING:
    from tritonkit.server.options import ServerOptions

INSIDE = Ports(http=8000, grpc=8001, metrics=8002)
REPOSITORY_INSIDE = "/models"
KEY_VARIABLE = "TRITONKIT_ADMIN_KEY"
# Each instance of a Python model takes a region of 1 MB at least, 64 MB in older images; an engine gives 64 MB in all.
SHARED_MEMORY = "1g"
# Images of several gigabytes are fetched on first use.
HELP_TIMEOUT_SECONDS = 3600.0
# The image's own user, `triton-server`, for a repository of root's: nothing in the container runs as root.
IMAGE_USER = 1000


def container_launch(options: ServerOptions, resolved: Resolved, log_path: Path) -> Launch:
    """How to start the image's server with `options`, on this machine's loopback.

    Raises:
        InputError: a flag that this server does not understand, or a repository in an object store.
        UnavailableError: the engine is not installed, or the image cannot be run.
    """
    engine = shutil.which(options.runtime)
    if engine is None:
        raise UnavailableError(f"{options.runtime} is not installed", hint="install it, or serve without --runtime")
    if is_remote(options.repository):
        raise InputError(
            "a container serves a folder", got=options.repository, hint="start it by hand, with credentials"
        )
    image = options.image or release(options.release).image
    variables = dict(os.environ)
    known = known_flags(
        (engine, "run", "--rm", "--entrypoint=tritonserver", image, "--help"),
        tuple(sorted(variables.items())),
        HELP_TIMEOUT_SECONDS,
    )
    name = resolved.shared_memory_prefix.rstrip("-")
    return Launch(
        command=(
            engine,
            *engine_arguments(options, resolved, name, gpus=has_gpu()),
            image,
            *inside_command(options, resolved, known),
        ),
        environment=variables | {KEY_VARIABLE: resolved.admin_key},
        log_path=log_path,
        shared_memory_prefix=resolved.shared_memory_prefix,
        started=started_lines("0.0.0.0", INSIDE),  # noqa: S104 - inside the container
        clean_up=(engine, "rm", "--force", name),
    )


def engine_arguments(options: ServerOptions, resolved: Resolved, name: str, *, gpus: bool) -> tuple[str, ...]:
    """The engine's own part of the command line: everything before the image.

    The key goes in by the environment, from which `--env NAME` takes it, so that it stands in no command line of this
    machine's.
    """
    repository = Path(options.repository).resolve()
    published = (
        (resolved.ports.http, INSIDE.http),
        (resolved.ports.grpc, INSIDE.grpc),
        (resolved.ports.metrics, INSIDE.metrics),
    )
    return (
        "run",
        "--rm",
        # Process 1 ignores SIGTERM while models load, unless it is an init.
        "--init",
        f"--name={name}",
        *_gpu_arguments(options.runtime, gpus=gpus),
        f"--shm-size={SHARED_MEMORY}",
        *_user_arguments(options.runtime),
        "--read-only",
        "--tmpfs=/tmp",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        f"--volume={repository}:{REPOSITORY_INSIDE}:ro",
        *(f"--publish={options.host}:{outside}:{inside}" for outside, inside in published),
        f"--env={KEY_VARIABLE}",
        "--entrypoint=sh",
    )


def inside_command(options: ServerOptions, resolved: Resolved, known: frozenset[str]) -> tuple[str, ...]:
    """What the container's shell runs: the server, with the key put into its flags there."""
    secret = [f'"--{flag}={value}"' for flag, value in restrictions(options.restricted_apis, f"${KEY_VARIABLE}")]
    arguments = server_arguments(
        replace(options, restricted_apis=()),
        resolved,
        known,
        repository=REPOSITORY_INSIDE,
        address="0.0.0.0",  # noqa: S104 - inside the container
        ports=INSIDE,
    )
    return ("-c", " ".join(['exec tritonserver "$@"', *secret]), "tritonserver", *arguments)


def has_gpu(devices: Path = Path("/dev")) -> bool:
    """Whether an NVIDIA GPU's driver is here."""
    return (devices / "nvidiactl").exists()


def _gpu_arguments(engine: str, *, gpus: bool) -> tuple[str, ...]:
    if not gpus:
        return ()
    # podman reaches GPUs by the Container Device Interface alone.
    return ("--device=nvidia.com/gpu=all",) if engine == "podman" else ("--gpus=all",)


def _user_arguments(engine: str, ids: tuple[int, int] | None = None) -> tuple[str, ...]:
    """The caller's own user, who can read the repository; never root."""
    user, group = ids or (os.getuid(), os.getgid())
    if user == 0:
        return (f"--user={IMAGE_USER}:{IMAGE_USER}",)
    rootless = ("--userns=keep-id",) if engine == "podman" else ()
    return (*rootless, f"--user={user}:{group}")
