"""A real server's verdict on every core case, held against the table that lint is held against too."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tritonkit.server import ServerOptions

sys.path.append(str(Path(__file__).parents[2] / "cases"))
from core_models import CASES, RELEASE, write_case  # noqa: E402

pytestmark = pytest.mark.server


@pytest.mark.timeout(300)
def test_the_server_agrees_with_the_table(start_server, tmp_path):
    repository = tmp_path / "repository"
    cases = [case for case in CASES if not case.aborts]
    for case in cases:
        write_case(case, repository)
    server = start_server(
        ServerOptions(
            repository,
            release=RELEASE,
            exit_on_error=False,
            strict_readiness=False,
            auto_complete=True,
            control="none",
            extra_flags=("--model-load-thread-count=4",),
        )
    )
    reasons = {failure.model: failure.reason for failure in server.failures()}
    complaints = [
        f"{case.name}: table {case.loads}, server {not case.loads}: {reasons.get(case.name)}"
        for case in cases
        if server.model_is_ready(case.name) != case.loads
    ]
    server.stop()
    assert not complaints, "\n".join(complaints)
