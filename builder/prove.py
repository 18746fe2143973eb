"""The last gate: the staged repository in a real Triton, asked over both protocols."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

from builder.answers.served import replay
from builder.answers.served_steps import replay_sequences, replay_streams
from builder.golden import read_golden
from builder.stages import ServedResult
from clients import Client
from tritonkit.server import ServerEnvironment, ServerOptions, TritonServer, ensure_environment
from tritonkit.server.served import OWN_PACKAGES
from tritonkit.spec.parity import ParityReport

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np

    from builder.golden import Golden
    from builder.stages import ServedRequest
    from tritonkit.spec.parity import Comparison, Protocol


def prove_served(request: ServedRequest, inputs: dict[str, Path], out: Path) -> ServedResult:
    """Starts a real Triton on the staged repository and replays its golden bundle over gRPC and over HTTP.

    Args:
        request: the served name and the target release.
        inputs: `repository` and `golden`.
        out: where the server's log goes.

    Raises:
        GateError: a model does not load; says which and why.
    """
    golden = read_golden(inputs["golden"])
    packages = own_packages(request.requirements)
    options = ServerOptions(
        repository=inputs["repository"], models=(request.name,), release=request.target, packages=packages
    )
    began = time.monotonic()
    with TritonServer(options) as server:
        load_seconds = time.monotonic() - began
        comparisons = [*ask_server(golden, server.grpc_url, "grpc"), *ask_server(golden, server.http_url, "http")]
        version = server_version(server.http_url)
    shutil.copyfile(server.log_path, out / "tritonserver.log")
    return ServedResult(
        parity=parity_report(
            golden, comparisons, asked=f"a local Triton, over {_protocols(comparisons)}", server=version
        ),
        packages=_package_versions(ensure_environment(request.target, packages=packages), request.requirements),
        load_seconds=load_seconds,
        proven_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _protocols(comparisons: list[Comparison]) -> str:
    names = {"grpc": "gRPC", "http": "HTTP", "in process": "in process"}
    return " and ".join(dict.fromkeys(names[comparison.protocol] for comparison in comparisons))


def ask_server(golden: Golden, url: str, protocol: Protocol) -> list[Comparison]:
    """Replays `golden` against the server at `url`; streams over gRPC alone, for Triton has them over nothing else.

    Raises:
        clients.ClientError: the server does not answer, or refuses a question.
    """
    # A NaN among the samples is a question like any other.
    with Client(url, allow_nan=True) as client:

        def ask(model: str, tensors: Mapping[str, np.ndarray], outputs: tuple[str, ...]) -> Mapping[str, Any]:
            return client.infer(model, tensors, outputs=outputs)

        streams = replay_streams(golden, client) if protocol == "grpc" else []
        return [*replay(golden, ask, protocol), *replay_sequences(golden, client, protocol), *streams]


def server_version(url: str) -> str:
    """What the server at `url` says that it is."""
    with Client(url) as client:
        server = client.server_metadata()
    return f"{server.name} {server.version}"


def parity_report(golden: Golden, comparisons: list[Comparison], *, asked: str, server: str) -> ParityReport:
    """The report over all comparisons of one run; without any, nothing is proven."""
    streams = any(question.way == "stream" for question in golden.bundle.questions)
    return ParityReport(
        name=golden.bundle.name,
        variant=golden.bundle.variant,
        passed=bool(comparisons) and all(comparison.passed for comparison in comparisons),
        asked=asked,
        server=server,
        not_offered={"http": "not offered by Triton for decoupled models"} if streams else {},
        comparisons=tuple(comparisons),
    )


def own_packages(requirements: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the requirements that the server's environment does not hold in any case."""
    return tuple(text for text in requirements if Requirement(text).name.lower() not in OWN_PACKAGES)


def _package_versions(environment: ServerEnvironment, requirements: tuple[str, ...]) -> dict[str, str]:
    """Versions, in the server's own Python, of what the steps import."""
    names = sorted(Requirement(text).name for text in requirements)
    program = (
        f"import importlib.metadata, json; print(json.dumps({{n: importlib.metadata.version(n) for n in {names}}}))"
    )
    done = subprocess.run([environment.python, "-c", program], check=True, capture_output=True, timeout=60)
    versions: dict[str, str] = json.loads(done.stdout)
    return versions
