"""The embedded onnxruntime backend loads what the C++ backend loads, refuses what it refuses, and completes alike."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from tritonkit.server import ServerOptions
from tritonkit.server.readiness import ask
from tests.cases.onnxruntime_models import CASES, Case, write_case

if TYPE_CHECKING:
    from collections.abc import Callable

    from tritonkit.server import TritonServer

pytestmark = pytest.mark.server


def _group(case: Case) -> tuple[str, bool]:
    return case.target, case.auto_complete


GROUPS = {key: tuple(group) for key, group in itertools.groupby(sorted(CASES, key=_group), key=_group)}


@pytest.fixture(scope="module")
def server_of(start_server, tmp_path_factory) -> Callable[[Case], TritonServer]:
    """One server for each release and each state of auto-complete, started when first asked for."""
    started: dict[tuple[str, bool], TritonServer] = {}

    def server(case: Case) -> TritonServer:
        key = _group(case)
        if key not in started:
            repository = tmp_path_factory.mktemp("verdicts")
            for other in GROUPS[key]:
                write_case(other, repository)
            options = ServerOptions(
                repository,
                exit_on_error=False,
                strict_readiness=False,
                release=case.target,
                auto_complete=case.auto_complete,
                extra_flags=("--cache-config=local,size=1048576", "--model-load-thread-count=4"),
            )
            started[key] = start_server(options)
        return started[key]

    return server

    return server


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verdict_and_completed_configuration(case: Case, server_of) -> None:
    server = server_of(case)
    reasons = {failure.model: failure.reason for failure in server.failures()}
    assert server.model_is_ready(case.name) == case.loads, reasons.get(case.name, "no reason in the log")
    assert (case.name in reasons) != case.loads
    if case.completed:
        config = ask("127.0.0.1", int(server.http_url.rpartition(":")[2]), f"/v2/models/{case.name}/config").body
        assert_holds(config, case.completed)


def assert_holds(found: Any, wanted: Any) -> None:
    """`wanted` is in `found`, as far as it goes; `None` means absent."""
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            if value is None:
                assert key not in found
            else:
                assert_holds(found[key], value)
    elif isinstance(wanted, list):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            assert_holds(one, other)
    else:
        assert found == wanted
