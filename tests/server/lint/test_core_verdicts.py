"""A real server's verdict on every core case, held against the table that lint is held against too."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tritonkit.server import ServerOptions
from tritonkit.spec.errors import GateError, UnavailableError

sys.path.append(str(Path(__file__).parents[2] / "cases"))
from core_models import CASES, RELEASE, write_case

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core_models import Case

    from tritonkit.server import TritonServer

pytestmark = pytest.mark.server

LATE_ATTEMPTS = 5

# Cases whose verdict needs a server that completes configurations: the others are loaded without, which spares a
# process for each model. The slow test loads all of them with it.
COMPLETED = ("without_config", "without_config_hidden_first", "stray_notes", "lost+found", ".git", "custom.nobody")


def _complaints(
    start: Callable[..., TritonServer],
    repository: Path,
    cases: Sequence[Case],
    *,
    auto_complete: bool,
    at_a_time: int = 4,
) -> list[str]:
    """Where the server's verdict is not the table's, each with the server's reason."""
    for case in cases:
        write_case(case, repository)
    options = ServerOptions(
        repository,
        release=RELEASE,
        exit_on_error=False,
        strict_readiness=False,
        auto_complete=auto_complete,
        control="none",
        extra_flags=(f"--model-load-thread-count={at_a_time}",),
    )
    server = start(options, ready=False)
    server.wait_ready(500)
    reasons = {failure.model: failure.reason for failure in server.failures()}
    complaints = [
        f"{case.name}: table {case.loads}, server {not case.loads}: {reasons.get(case.name)}"
        for case in cases
        if server.model_is_ready(case.name) != case.loads
    ]
    server.stop()
    return complaints


def test_the_server_agrees_with_the_table(start_server, tmp_path):
    cases = [case for case in CASES if not case.late and not case.hangs and case.name not in COMPLETED]
    complaints = _complaints(start_server, tmp_path / "repository", cases, auto_complete=False)
    assert not complaints, "\n".join(complaints)


def test_a_server_that_completes_configurations_agrees(start_server, tmp_path):
    cases = [case for case in CASES if case.name in COMPLETED]
    complaints = _complaints(start_server, tmp_path / "repository", cases, auto_complete=True)
    assert not complaints, "\n".join(complaints)


def test_the_server_agrees_on_what_it_refuses_late(start_server, tmp_path):
    """Triton 2.51 may die of such a refusal: what it has not told by then is asked of the next server."""
    left = [case for case in CASES if case.late]
    complaints: list[str] = []
    for attempt in range(LATE_ATTEMPTS):
        repository = tmp_path / f"repository_{attempt}"
        try:
            complaints += _complaints(start_server, repository, left, auto_complete=False, at_a_time=1)
        except (GateError, UnavailableError) as died:
            told = f"{died.where}: {died.hint}"
            left = [case for case in left if case.loads or f"{case.name}: " not in told]
        else:
            break
    else:
        pytest.fail(f"it died {LATE_ATTEMPTS} times, and these are left: {[case.name for case in left]}")
    assert not complaints, "\n".join(complaints)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_server_that_completes_configurations_agrees_on_every_case(start_server, tmp_path):
    cases = [case for case in CASES if not case.late and not case.hangs]
    complaints = _complaints(start_server, tmp_path / "repository", cases, auto_complete=True)
    assert not complaints, "\n".join(complaints)


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in CASES if case.hangs], ids=lambda case: case.name)
def test_the_server_waits_for_ever(start_server, tmp_path, case):
    write_case(case, tmp_path / "repository")
    options = ServerOptions(tmp_path / "repository", release=RELEASE, exit_on_error=False, control="none")
    server = start_server(options, ready=False)
    time.sleep(20)
    assert not server.is_ready()
    assert not server.model_is_ready(case.name)
