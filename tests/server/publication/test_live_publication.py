"""Versions come and go under a live server's feet, at 50 requests a second over both protocols."""

from __future__ import annotations

import time

import numpy as np
import pytest

from clients import Client
from tests.candidates import NAME, Marks, make_candidate, marks_of, network, picture, seal_again
from tests.traffic import Traffic
from tritonkit.commands.front_door import main
from tritonkit.commands.trial import try_candidate
from tritonkit.repository.layout import served_version
from tritonkit.repository.publish import check_candidate, publish
from tritonkit.repository.verify import verify_repository
from tritonkit.server import ServerOptions, TritonServer

pytestmark = [pytest.mark.server, pytest.mark.timeout(1200)]

ROLLBACK_SECONDS = 2.0
# From start to ready, of a server of one candidate on a quiet machine of two cores.
USUAL_START_SECONDS = 2.5


@pytest.fixture
def repository(tmp_path):
    """A repository that serves the candidate with mark 1."""
    repository = tmp_path / "model_repository"
    publish(check_candidate(make_candidate(tmp_path / "candidate_1", 1)), repository)
    return repository


@pytest.fixture
def live(repository, start_server, monkeypatch):
    """A server on that repository, under explicit control, whose key the commands find in the environment."""
    server = start_server(ServerOptions(repository, models=(NAME,)))
    monkeypatch.setenv("TRITONKIT_ADMIN_KEY", server.admin_key)
    yield server
    server.stop()


def _publish(mark, repository, live, tmp_path, *options):
    candidate = tmp_path / f"candidate_{mark}"
    if not candidate.exists():
        make_candidate(candidate, mark)
    return main(["publish", str(candidate), "--to", str(repository), "--server", live.http_url, *options])


def test_the_small_candidates_pass_a_real_trial(tmp_path):
    """What these tests publish is proven by numpy; a real Triton says the same."""
    try_candidate(check_candidate(make_candidate(tmp_path / "candidate", 3)))


def test_a_version_comes_and_goes_and_nobody_notices(repository, live, tmp_path):
    with Traffic(live) as traffic:
        traffic.wait_for(1)
        assert _publish(2, repository, live, tmp_path) == 0
        traffic.wait_for(2)
        assert main(["rollback", NAME, "--in", str(repository), "--server", live.http_url]) == 0
        traffic.forget()
        traffic.wait_for(1)
        time.sleep(0.5)
        traffic.forget()
        traffic.wait_for(1)
    assert {marks.model for _, _, marks in traffic.seen} == {1}
    assert traffic.complaints() == []
    assert live.is_ready()
    live.restart()
    assert _served_mark(live) == 1


@pytest.mark.parametrize("times", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_rollback_takes_effect_within_two_seconds(repository, live, tmp_path, times):
    assert _publish(2, repository, live, tmp_path, "--no-trial") == 0
    took = []
    with Traffic(live) as traffic:
        traffic.wait_for(2)
        slowness = [_slowness(repository)]
        for turn in range(times):
            version = 1 + turn % 2
            decided = time.monotonic()
            command = ["rollback", NAME, "--in", str(repository), "--version", str(version), "--server", live.http_url]
            assert main(command) == 0
            traffic.forget()
            took.append(traffic.wait_for(version) - decided)
        slowness.append(_slowness(repository))
    assert traffic.complaints() == []
    assert live.is_ready()
    print(f"{times} rollbacks: median {sorted(took)[times // 2]:.2f} s, longest {max(took):.2f} s; {slowness}")
    assert max(took) <= ROLLBACK_SECONDS * max(slowness), took


def test_only_the_served_version_and_the_one_before_stay_in_memory(repository, live, tmp_path):
    for mark in (2, 3, 4):
        assert _publish(mark, repository, live, tmp_path, "--no-trial") == 0
    _wait_until_ready(live)
    wanted = {part.name for mark in (3, 4) for part in _parts(tmp_path, mark)}
    loaded = {state.name for state in live.index() if state.ready}
    assert loaded == wanted | {NAME}
    assert main(["rollback", NAME, "--in", str(repository), "--version", "1", "--server", live.http_url]) == 0
    assert _served_mark(live) == 1


@pytest.mark.parametrize(
    "bad",
    ["init error", "wrong shape", "not a number", "other answers"],
)
def test_a_bad_candidate_never_touches_the_live_server(bad, repository, live, tmp_path, capsys):
    candidate = _bad_candidate(bad, tmp_path / "candidate_2")
    before = sorted(repository.rglob("*"))
    with Traffic(live) as traffic:
        traffic.wait_for(1)
        assert _publish(2, repository, live, tmp_path) == 1
        time.sleep(0.2)
    said = capsys.readouterr().err
    assert "failed its trial" in said or "will not load" in said, said
    assert traffic.complaints() == []
    assert {marks.model for _, _, marks in traffic.seen} == {1}
    assert sorted(repository.rglob("*")) == before
    quarantine = repository.parent / f".{repository.name}.tritonkit" / "quarantine"
    if "failed its trial" in said:
        assert [aside.name for aside in quarantine.iterdir()] == [f"{NAME}-{candidate.sha256[:12]}"]
    assert live.is_ready()
    live.restart()
    assert _served_mark(live) == 1


def test_a_candidate_that_only_the_live_server_cannot_load_is_put_back(repository, live, tmp_path, capsys):
    """The trial is another process on another day: here its verdict is skipped."""
    _bad_candidate("init error", tmp_path / "candidate_2")
    with Traffic(live) as traffic:
        traffic.wait_for(1)
        assert _publish(2, repository, live, tmp_path, "--no-trial") == 1
        traffic.forget()
        traffic.wait_for(1)
    assert "version 1 was put back" in capsys.readouterr().err
    assert traffic.complaints() == []
    assert served_version(repository, NAME) == 1
    live.restart()
    assert live.is_ready()


def test_a_server_that_does_not_answer_leaves_everything_as_it_is(repository, tmp_path, capsys):
    make_candidate(tmp_path / "candidate_2", 2)
    command = ["publish", str(tmp_path / "candidate_2"), "--to", str(repository), "--server", "http://127.0.0.1:9"]
    assert main(command) == 3
    assert "nothing was changed" in capsys.readouterr().err
    assert served_version(repository, NAME) == 1
    assert len(verify_repository(repository)) == 1


def _bad_candidate(bad, folder):
    if bad == "not a number":
        return check_candidate(make_candidate(folder, 2, served=network(float("nan"))))
    if bad == "other answers":
        return check_candidate(make_candidate(folder, 2, served=network(3)))
    if bad == "wrong shape":
        # What only shows when it is asked: the number of rows is not that of the batch.
        return check_candidate(make_candidate(folder, 2, served=network(2, rows=1)))
    repository = make_candidate(folder, 2)
    step = next(repository.glob(f"{NAME}_postprocess_*")) / "1" / "model.py"
    step.write_text(step.read_text().replace("def initialize(self, args: dict[str, str]) -> None:", _FAILING))
    seal_again(repository)
    return check_candidate(repository)


_FAILING = """def initialize(self, args: dict[str, str]) -> None:
        raise RuntimeError("no licence for this machine")

    def prepare(self, args):"""


def _parts(tmp_path, mark):
    return check_candidate(tmp_path / f"candidate_{mark}" / "repository").manifest.parts


def _served_mark(live):
    with Client(live.http_url) as client:
        marks = marks_of(client.infer(NAME, {"image": np.array([[picture()]], dtype=object)}))
    assert marks == Marks(preprocess=marks.model, model=marks.model, postprocess=marks.model)
    return marks.model


def _slowness(repository):
    """How many times as long as on a quiet machine a server takes to start here and now; 1 at least.

    A rollback and a start both wait for the same processes of the same parts.
    """
    server = TritonServer(ServerOptions(repository, models=(NAME,)))
    began = time.monotonic()
    try:
        server.start()
        server.wait_ready()
        return max(1.0, (time.monotonic() - began) / USUAL_START_SECONDS)
    finally:
        server.kill()


def _wait_until_ready(live, seconds=120.0):
    deadline = time.monotonic() + seconds
    while not live.is_ready():
        assert time.monotonic() < deadline, [state for state in live.index() if not state.ready]
        time.sleep(0.05)
