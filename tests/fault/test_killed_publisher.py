"""A publisher that dies, at whatever step, leaves a repository that is wholly old or wholly new."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clients import Client
from tests.candidates import NAME, make_candidate, marks_of, picture
from tests.traffic import Traffic
from tritonkit.repository.config import read_config
from tritonkit.repository.layout import CONFIG, served_version
from tritonkit.repository.ledger import read_ledger
from tritonkit.repository.lint import lint_repository
from tritonkit.repository.publish import check_candidate, publish
from tritonkit.repository.stores import open_store
from tritonkit.repository.verify import verify, verify_repository
from tritonkit.server import ServerOptions, TritonServer
from tritonkit.spec.ngc import release

pytestmark = [pytest.mark.server, pytest.mark.timeout(1200)]

PROGRAM = Path(__file__).with_name("publisher_to_kill.py")
ADMIN_KEY = "for-this-test-alone"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def publisher():
    """Runs one publisher, killed as asked, and returns its exit status and the steps that it took."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TRITONKIT_ADMIN_KEY": ADMIN_KEY}
    program = subprocess.Popen(
        [sys.executable, str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )

    def run(arguments: list[str], **kill: float) -> dict[str, int]:
        program.stdin.write(json.dumps({"arguments": arguments, **kill}) + "\n")
        program.stdin.flush()
        return json.loads(program.stdout.readline())

    yield run
    program.stdin.close()
    assert program.wait(120) == 0
    program.stdout.close()


@pytest.fixture
def repository(tmp_path):
    """A repository that serves the candidate with mark 1."""
    repository = tmp_path / "model_repository"
    publish(check_candidate(make_candidate(tmp_path / "candidate", 1)), repository)
    return repository


@pytest.mark.parametrize("kills", [50, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])])
def test_wholly_old_or_wholly_new_after_every_kill(kills, repository, publisher, tmp_path):
    random_numbers = random.Random(kills)
    steps = _count_steps(publisher, tmp_path)
    outcomes = {"old": 0, "new": 0}
    options = ServerOptions(repository, models=(NAME,), admin_key=ADMIN_KEY)
    with TritonServer(options) as live, Traffic(live) as traffic:
        traffic.wait_for(1)
        for served in range(1, kills + 1):
            candidate = make_candidate(tmp_path / "candidate", mark=served + 1)
            arguments = ["publish", str(candidate), "--to", str(repository), "--no-trial"]
            publisher(arguments, **_choose_kill(served, kills, steps, random_numbers))
            now = served_version(repository, NAME)
            outcomes["old" if now == served else "new"] += 1
            _check_whole(repository, now, candidate, served)
            if served % 10 == 1:
                _check_restart(repository, mark=now)
                arguments += ["--server", live.http_url]
            assert publisher(arguments)["status"] == 0
            assert served_version(repository, NAME) == served + 1
            if served % 10 == 1:
                traffic.wait_for(served + 1)
                assert publisher(["prune", NAME, "--in", str(repository)])["status"] == 0
        verify_repository(repository)
        assert live.is_ready()
    assert traffic.complaints() == []
    assert min(outcomes.values()) > 0, outcomes
    assert list(read_ledger(open_store(repository), NAME)) == list(range(1, kills + 2))


def _count_steps(publisher, tmp_path):
    """How many changes to the file system a second publication makes."""
    repository = str(tmp_path / "counted" / "model_repository")
    for mark in (1, 2):
        candidate = make_candidate(tmp_path / "counted" / str(mark), mark)
        done = publisher(["publish", str(candidate), "--to", repository, "--no-trial"])
    return done["steps"]


def _choose_kill(turn, kills, steps, random_numbers):
    """At a step, all of them in turn; every fifth in the middle of one, by the clock."""
    if turn % 5 == 4:
        return {"after": random_numbers.uniform(0, 0.15)}
    return {"step": 1 + int((turn - random_numbers.random()) * steps / kills)}


def _check_whole(repository, now, candidate, before):
    """The served version is the old or the new one, bit for bit, and a server would load all of it."""
    verified = verify(repository, NAME)
    is_new = verified.manifest_sha256 == check_candidate(candidate).sha256
    assert now == before or is_new
    called = {step.model_name for step in read_config(repository / NAME / CONFIG).ensemble_scheduling.step}
    assert called == set(verified.parts)
    report = lint_repository(repository, release("26.07"), gpus=True, auto_complete=False)
    assert report.loads, [model for model in report.models if not model.loads]


def _check_restart(repository, mark):
    """What `tritonkit serve` starts, with all that the killed publisher left."""
    with TritonServer(ServerOptions(repository)) as server, Client(server.grpc_url) as client:
        answer = client.infer(NAME, {"image": np.array([[picture()]], dtype=object)})
    assert marks_of(answer).model == mark


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_steps_of_a_first_publication(stride, publisher, tmp_path):
    """A repository that did not exist holds afterwards nothing under the served name, or all of it."""
    candidate = make_candidate(tmp_path / "candidate", 1)
    steps = None
    for step in itertools.count(1, stride):
        repository = tmp_path / str(step) / "model_repository"
        arguments = ["publish", str(candidate), "--to", str(repository), "--no-trial"]
        done = publisher(arguments, step=step)
        if done["status"] == 0:
            steps = done["steps"]
            break
        if served_version(repository, NAME) is not None:
            verify_repository(repository)
        elif repository.exists():
            assert not (repository / NAME).exists()
            assert lint_repository(repository, release("26.07"), gpus=True, auto_complete=False).loads
        assert publisher(arguments)["status"] == 0
        verify_repository(repository)
    assert steps > 30


@pytest.mark.parametrize("stride", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_steps_of_a_rollback_and_of_a_prune(stride, publisher, tmp_path):
    template = tmp_path / "template" / "model_repository"
    for mark in (1, 2, 3):
        publish(check_candidate(make_candidate(tmp_path / f"candidate_{mark}", mark)), template)
    for command in (["rollback", NAME], ["prune", NAME, "--keep", "1"]):
        for step in itertools.count(1, stride):
            repository = tmp_path / f"{command[0]}_{step}" / "model_repository"
            shutil.copytree(template, repository)
            done = publisher([*command, "--in", str(repository)], step=step)
            assert served_version(repository, NAME) in ({2, 3} if command[0] == "rollback" else {3})
            verify(repository, NAME)
            if done["status"] == 0:
                break
            if command[0] == "prune":
                assert publisher([*command, "--in", str(repository)])["status"] == 0
                assert [model.version for model in verify_repository(repository)] == [3]
                assert len([entry for entry in repository.iterdir() if entry.name.startswith(f"{NAME}_")]) == 3
        assert step > 3
