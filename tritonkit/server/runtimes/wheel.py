"""The command that runs the wheel's tritonserver on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tritonkit.server.flags import Resolved, known_flags, server_arguments, started_lines
from tritonkit.server.process import Launch

if TYPE_CHECKING:
    from pathlib import Path

    from tritonkit.server.environment import ServerEnvironment
    from tritonkit.server.options import ServerOptions


def wheel_launch(options: ServerOptions, resolved: Resolved, environment: ServerEnvironment, log_path: Path) -> Launch:
    """How to start the wheel's server with `options`.

    Raises:
        InputError: a flag of the user's that this server does not understand.
        UnavailableError: the binary cannot be run.
    """
    variables = environment.variables()
    known = known_flags((str(environment.tritonserver), "--help"), tuple(sorted(variables.items())))
    arguments = server_arguments(
        options,
        resolved,
        known,
        repository=str(options.repository),
        address=options.host,
        ports=resolved.ports,
    )
    return Launch(
        command=(
            str(environment.tritonserver),
            f"--backend-directory={environment.backend_directory}",
            f"--cache-directory={environment.cache_directory}",
            *arguments,
        ),
        environment=variables | backend_settings(arguments),
        log_path=log_path,
        shared_memory_prefix=resolved.shared_memory_prefix,
        started=started_lines(options.host, resolved.ports),
    )


def backend_settings(arguments: tuple[str, ...]) -> dict[str, str]:
    """`--backend-config` for the embedded onnxruntime backend: Triton does not tell a Python model of it.

    The last value of a key wins, and one for the backend wins over a global one, as in Triton.
    """
    everywhere: dict[str, str] = {}
    own: dict[str, str] = {}
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name != "--backend-config":
            continue
        backend, comma, setting = value.partition(",")
        key, _, text = (setting if comma else backend).partition("=")
        if not comma:
            everywhere[key] = text
        elif backend == "onnxruntime":
            own[key] = text
    return {f"TRITONKIT_ONNXRUNTIME_{key.upper().replace('-', '_')}": text for key, text in (everywhere | own).items()}
