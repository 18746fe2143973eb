"""The embedded onnxruntime backend loads what the C++ backend loads, refuses what it refuses, and completes alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cases.onnxruntime_models import CASES, Case, write_case
from tritonkit.server import ServerOptions
from tritonkit.server.readiness import ask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tritonkit.server import TritonServer

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]

GROUPS = sorted({(case.target, case.auto_complete) for case in CASES})


def _group(target: str, auto_complete: bool) -> tuple[Case, ...]:
    return tuple(case for case in CASES if (case.target, case.auto_complete) == (target, auto_complete))


def _one_of_each_rule(cases: Sequence[Case]) -> tuple[Case, ...]:
    first: dict[tuple[str, bool], Case] = {}
    for case in cases:
        first.setdefault((case.rule, case.loads), case)
    return tuple(first.values())


@pytest.mark.parametrize(("target", "auto_complete"), GROUPS)
def test_one_case_of_every_rule(target: str, auto_complete: bool, start_server, tmp_path) -> None:
    _check(_one_of_each_rule(_group(target, auto_complete)), start_server, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("target", "auto_complete"), GROUPS)
def test_every_case(target: str, auto_complete: bool, start_server, tmp_path) -> None:
    _check(_group(target, auto_complete), start_server, tmp_path)


def _check(cases: Sequence[Case], start_server, repository) -> None:
    for case in cases:
        write_case(case, repository)
    options = ServerOptions(
        repository,
        exit_on_error=False,
        strict_readiness=False,
        release=cases[0].target,
        auto_complete=cases[0].auto_complete,
        extra_flags=("--cache-config=local,size=1048576",),
    )
    server = start_server(options, ready=False)
    # A hundred models, each in processes of its own, on however busy a machine.
    server.wait_ready(600)
    complaints = [complaint for case in cases for complaint in _complaints(case, server)]
    server.stop()
    assert not complaints, "\n".join(complaints)


def _complaints(case: Case, server: TritonServer) -> list[str]:
    """What of `case` is not as the table says, each with the rule."""
    reasons = {failure.model: failure.reason for failure in server.failures()}
    ready = server.model_is_ready(case.name)
    complaints = []
    if ready != case.loads:
        complaints.append(f"loads: {ready}, table: {case.loads}; reason: {reasons.get(case.name)}")
    if not ready and not reasons.get(case.name):
        complaints.append("the log gives no reason")
    if ready and case.completed:
        config = ask(
            "127.0.0.1", int(server.http_url.rpartition(":")[2]), f"/v2/models/{case.name}/config", timeout=60
        ).body
        complaints += _differences(config, case.completed, "config")
    return [f"{case.name} ({case.rule}): {complaint}" for complaint in complaints]


def _differences(found: Any, wanted: Any, where: str) -> list[str]:
    """Where `found` lacks what `wanted` says, as far as that goes; `None` means absent."""
    if isinstance(wanted, dict):
        absent = [key for key, value in wanted.items() if value is None and key in found]
        present = [
            difference
            for key, value in wanted.items()
            if value is not None
            for difference in _differences(found.get(key, {}), value, f"{where}.{key}")
        ]
        return [f"{where}.{key} is there" for key in absent] + present
    if isinstance(wanted, list) and len(found) == len(wanted):
        return [
            difference
            for place, pair in enumerate(zip(found, wanted, strict=True))
            for difference in _differences(*pair, f"{where}[{place}]")
        ]
    return [] if found == wanted else [f"{where} is {found}, table: {wanted}"]
