"""Options become flags: safe defaults, only what the server knows, the user's own last."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tritonkit.server.flags import Ports, Resolved, server_arguments
from tritonkit.server.options import ServerOptions
from tritonkit.server.runtimes.container import _user_arguments as user_arguments
from tritonkit.server.runtimes.container import engine_arguments, inside_command
from tritonkit.server.runtimes.wheel import backend_settings
from tritonkit.spec.errors import InputError

KNOWN = frozenset(
    {"model-repository", "model-control-mode", "load-model", "http-address", "grpc-address", "metrics-address"}
    | {"http-port", "grpc-port", "metrics-port", "exit-on-error", "strict-readiness", "exit-timeout-secs"}
    | {"allow-sagemaker", "allow-vertex-ai", "backend-config", "http-restricted-api", "grpc-restricted-protocol"}
    | {"log-verbose", "disable-auto-complete-config"}
)
PORTS = Ports(http=1, grpc=2, metrics=3)
RESOLVED = Resolved(
    control="explicit",
    load=("a", "b"),
    expected=("a", "b"),
    auto_complete=False,
    ports=PORTS,
    admin_key="secret-key",
    shared_memory_prefix="tritonkit-1-x-",
)


def _arguments(options: ServerOptions, known: frozenset[str] = KNOWN) -> tuple[str, ...]:
    return server_arguments(options, RESOLVED, known, repository="/r", address="127.0.0.1", ports=PORTS)


def test_defaults_are_safe() -> None:
    arguments = _arguments(ServerOptions("/r"))
    for flag in (
        "--model-control-mode=explicit",
        "--load-model=a",
        "--load-model=b",
        "--http-address=127.0.0.1",
        "--grpc-address=127.0.0.1",
        "--metrics-address=127.0.0.1",
        "--exit-on-error=true",
        "--strict-readiness=true",
        "--allow-sagemaker=false",
        "--allow-vertex-ai=false",
        "--disable-auto-complete-config",
        "--http-restricted-api=model-repository,shared-memory,trace,logging:tritonkit-admin=secret-key",
        "--grpc-restricted-protocol=model-repository,shared-memory,trace,logging:tritonkit-admin=secret-key",
    ):
        assert flag in arguments


def test_a_flag_that_the_server_does_not_know_is_left_out() -> None:
    assert not any("allow-client-shm" in flag for flag in _arguments(ServerOptions("/r")))
    assert "--allow-client-shm=false" in _arguments(ServerOptions("/r"), KNOWN | {"allow-client-shm"})


def test_the_users_flag_comes_last_and_replaces_the_default() -> None:
    arguments = _arguments(ServerOptions("/r", extra_flags=("--exit-on-error=false", "--log-verbose=1")))
    assert arguments[-2:] == ("--exit-on-error=false", "--log-verbose=1")
    assert "--exit-on-error=true" not in arguments


@pytest.mark.parametrize(
    ("flag", "hint"), [("--log-verbos=1", "did you mean --log-verbose"), ("--http-max-input-size=1", "came with 25.06")]
)
def test_an_unknown_flag_of_the_users_is_refused_with_the_way_on(flag: str, hint: str) -> None:
    with pytest.raises(InputError, match=hint):
        _arguments(ServerOptions("/r", extra_flags=(flag,)))


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("--http-port=9000", "--http-port before --"),
        ("--model-repository=/other", "name the repository before --"),
        ("--grpc-address=0.0.0.0", "not a flag's choice"),
        ("--allow-metrics=false", "leave the flag out"),
    ],
)
def test_a_flag_that_would_move_the_server_elsewhere_is_refused(flag: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        _arguments(ServerOptions("/r", extra_flags=(flag,)), KNOWN | {"allow-metrics"})


def test_the_local_server_listens_on_loopback_only() -> None:
    with pytest.raises(InputError, match="too old to face a network"):
        ServerOptions("/r", host="0.0.0.0")
    assert ServerOptions("/r", host="0.0.0.0", runtime="docker").host == "0.0.0.0"


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_is_a_port(port: int) -> None:
    with pytest.raises(InputError, match="no port number"):
        ServerOptions("/r", http_port=port)


def test_naming_models_excludes_control_mode_none() -> None:
    with pytest.raises(InputError, match="explicit"):
        ServerOptions("/r", ("a",), control="none")


def test_the_key_is_in_no_repr() -> None:
    assert "secret-key" not in repr(ServerOptions("/r", admin_key="secret-key"))


def test_backend_settings_reach_the_embedded_backend() -> None:
    arguments = (
        "--backend-config=default-max-batch-size=7",
        "--backend-config=onnxruntime,default-max-batch-size=9",
        "--backend-config=onnxruntime,enable-global-threadpool=1",
        "--backend-config=python,shm-growth-byte-size=1",
        "--other=1",
    )
    assert backend_settings(arguments) == {
        "TRITONKIT_ONNXRUNTIME_DEFAULT_MAX_BATCH_SIZE": "9",
        "TRITONKIT_ONNXRUNTIME_ENABLE_GLOBAL_THREADPOOL": "1",
    }


def test_a_container_gets_gpus_memory_user_mount_and_loopback_ports(tmp_path) -> None:
    options = ServerOptions(tmp_path, runtime="docker")
    line = engine_arguments(options, RESOLVED, "name", gpus=True)
    for argument in (
        "--rm",
        "--init",
        "--gpus=all",
        "--shm-size=1g",
        "--read-only",
        "--cap-drop=ALL",
        f"--volume={tmp_path}:/models:ro",
        "--publish=127.0.0.1:1:8000",
        "--publish=127.0.0.1:2:8001",
        "--publish=127.0.0.1:3:8002",
    ):
        assert argument in line
    assert "--gpus=all" not in engine_arguments(options, RESOLVED, "name", gpus=False)
    podman = engine_arguments(replace(options, runtime="podman"), RESOLVED, "name", gpus=True)
    assert "--device=nvidia.com/gpu=all" in podman


def test_a_container_never_runs_as_root() -> None:
    assert user_arguments("docker", (0, 0)) == ("--user=1000:1000",)
    assert user_arguments("docker", (501, 20)) == ("--user=501:20",)
    assert user_arguments("podman", (501, 20)) == ("--userns=keep-id", "--user=501:20")


def test_the_key_stands_in_no_command_line_of_a_container(tmp_path) -> None:
    options = ServerOptions(tmp_path, runtime="docker")
    whole = (*engine_arguments(options, RESOLVED, "name", gpus=False), *inside_command(options, RESOLVED, KNOWN))
    assert not any("secret-key" in argument for argument in whole)
    assert "--env=TRITONKIT_ADMIN_KEY" in whole
    script = whole[whole.index("-c") + 1]
    assert script.startswith('exec tritonserver "$@" "--http-restricted-api=')
    assert "tritonkit-admin=$TRITONKIT_ADMIN_KEY" in script
