"""A real Triton that loads what was published from a real S3 server."""

from __future__ import annotations

import time

import numpy as np
import pytest

from clients import Client
from tests.candidates import NAME, make_candidate, marks_of, picture
from tests.object_store_server import CREDENTIALS, object_store_server
from tests.traffic import Traffic
from tritonkit.commands.front_door import main
from tritonkit.server import ServerOptions

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]


@pytest.fixture
def repository(monkeypatch):
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with object_store_server() as bucket:
        yield f"{bucket}/team/model_repository"


def _served_mark(live):
    with Client(live.grpc_url) as client:
        return marks_of(client.infer(NAME, {"image": np.array([[picture()]], dtype=object)})).model


def test_versions_come_and_go_in_a_live_server_on_an_object_store(repository, start_server, tmp_path, monkeypatch):
    for mark in (1, 2):
        make_candidate(tmp_path / str(mark), mark)
    assert main(["publish", str(tmp_path / "1"), "--to", repository, "--no-trial"]) == 0
    live = start_server(ServerOptions(repository, models=(NAME,), auto_complete=False))
    monkeypatch.setenv("TRITONKIT_ADMIN_KEY", live.admin_key)
    with Traffic(live) as traffic:
        traffic.wait_for(1)
        assert main(["publish", str(tmp_path / "2"), "--to", repository, "--no-trial", "--server", live.http_url]) == 0
        traffic.wait_for(2)
        # The store's times are whole seconds: changes that follow each other faster must be seen all the same.
        for version in (1, 2, 1, 2, 1):
            command = ["rollback", NAME, "--in", repository, "--version", str(version), "--server", live.http_url]
            assert main(command) == 0
            traffic.forget()
            traffic.wait_for(version)
        time.sleep(0.5)
        traffic.forget()
        traffic.wait_for(1)
    assert {marks.model for _, _, marks in traffic.seen} == {1}
    assert traffic.complaints() == []
    assert live.is_ready()
    live.restart()
    assert _served_mark(live) == 1
    assert main(["verify", repository]) == 0
    live.stop()
