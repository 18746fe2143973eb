"""The search on a real Triton: what is reloaded, and that a killed search goes on where it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from benchmarks.tune import TuningPlan, read_built, tune
from benchmarks.tune.run import JOURNAL
from benchmarks.tune.scratch import Scratch
from tests.candidates import make_candidate, picture
from tritonkit.server import ServerOptions, TritonServer

pytestmark = [pytest.mark.server, pytest.mark.timeout(400)]

OBJECTIVE = "p99<20s,errors<50%"
STEP_SECONDS = 0.4


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("build")
    make_candidate(folder, 1)
    return read_built(folder)


def _loads(server, begin):
    return [record.message.split()[1] for record in server.records()[begin:] if record.message.startswith("loading: ")]


def test_only_what_changed_is_loaded_anew(built, tmp_path):
    scratch = Scratch(built, tmp_path / "scratch")
    scratch.rewrite(built.own)
    name, variant = built.report.name, built.variants[built.own.variant]
    with TritonServer(ServerOptions(scratch.folder, models=(name,), release=built.report.target)) as server:
        for change, part in (({"instances": 3}, variant.model), ({"preprocess_instances": 2}, variant.preprocess)):
            setting = built.own.model_copy(update=change)
            # Back to the built setting first, so that one change is seen at a time.
            scratch.rewrite(built.own)
            server.load(name)
            begin = len(server.records())
            assert scratch.rewrite(setting) == (part,)
            server.load(name)
            assert {loaded.partition(":")[0] for loaded in _loads(server, begin)} <= {part, name}
        begin = len(server.records())
        assert scratch.rewrite(setting) == ()
        assert _loads(server, begin) == []


def test_a_killed_search_goes_on_where_it_was(built, tmp_path):
    (tmp_path / "picture.png").write_bytes(picture())
    build = built.report.repository.removesuffix("/repository")
    script = textwrap.dedent(f"""
        from pathlib import Path
        from benchmarks.tune import TuningPlan, read_built, tune
        plan = TuningPlan(objective="{OBJECTIVE}", points=3, step_seconds={STEP_SECONDS}, warmup_seconds=0.2,
                          files=(Path({str(tmp_path / "picture.png")!r}),))
        tune(read_built(Path({build!r})), plan, folder=Path({str(tmp_path / "tuning")!r}))
    """)
    journal = tmp_path / "tuning" / JOURNAL
    process = subprocess.Popen([sys.executable, "-c", script])
    try:
        limit = time.monotonic() + 180
        while not (journal.exists() and journal.read_text().count("\n") >= 2):
            assert process.poll() is None
            assert time.monotonic() < limit
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    first = journal.read_text().splitlines()
    seen = []
    plan = TuningPlan(
        objective=OBJECTIVE, points=3, step_seconds=STEP_SECONDS, warmup_seconds=0.2, files=(tmp_path / "picture.png",)
    )
    report = tune(built, plan, folder=tmp_path / "tuning", watch=seen.append)
    assert len(report.points) == 3
    assert report.points[0].setting == report.own == built.own
    assert report.points[0].model_dump_json() == first[1]
    assert any("interrupted" in note for note in report.notes)
    assert report.winner is not None
    assert seen[0].done == len(first) - 1
    assert seen[-1].done == 3
    assert [one.left_seconds is None for one in seen[:1]] == [True]
    # Nothing is left to do: no server is started, and nothing is measured.
    again = tune(built, plan, folder=tmp_path / "tuning")
    assert again.points == report.points
