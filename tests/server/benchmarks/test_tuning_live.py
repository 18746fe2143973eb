"""The search on a real Triton: what is reloaded, and that a killed search goes on where it was."""

from __future__ import annotations

import json
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
from tests.candidates import CLASSES, NAME, SIDE, make_candidate, picture
from tritonkit.server import ServerOptions, TritonServer
from tritonkit.spec.model import load_model_spec

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


SPEC = f"""schema_version: 1
name: {NAME}
source: {{factory: "network:none", weights: none.pt}}
inputs: [{{name: image, data_type: TYPE_FP32, dims: [3, {SIDE}, {SIDE}]}}]
outputs: [{{name: logits, data_type: TYPE_FP32, dims: [{CLASSES}]}}]
preprocess: {{kind: image, resize: {SIDE}, crop: {SIDE}, mean: [0, 0, 0], std: [1, 1, 1]}}
postprocess: {{kind: classification, top_k: 2, labels: labels.txt}}
variants: [{{name: fp32}}]
serving:
  variant: fp32
  max_batch_size: 4  # what the batcher gathers at most
  instance_group: [{{kind: KIND_CPU, count: 1}}]
samples: {{pictures: [black.png]}}
"""


def test_tune_searches_draws_and_writes_the_winner_from_the_command_line(built, tmp_path):
    (tmp_path / "model.yaml").write_text(SPEC)
    (tmp_path / "picture.png").write_bytes(picture())
    build = built.report.repository.removesuffix("/repository")
    command = [sys.executable, "-m", "tritonkit", "tune", ".", "--build", build, "--slo", OBJECTIVE, "--points", "2"]
    command += ["--step-seconds", str(STEP_SECONDS), "--files", "picture.png", "--out", "tuning", "--write"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=350, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the winner" in done.stdout
    assert "1 of 2: " in done.stderr
    report = json.loads((tmp_path / "tuning" / "tuning.json").read_text())
    assert len(report["points"]) == 2
    assert f"Configurations of {NAME}" in (tmp_path / "tuning" / "tuning.html").read_text()
    serving = load_model_spec(tmp_path).serving
    assert serving.instance_group[0].count == report["winner"]["instances"]
    assert serving.max_batch_size == report["winner"]["max_batch_size"]
    assert "# what the batcher gathers at most" in (tmp_path / "model.yaml").read_text()
    # Asked again, it has nothing left to measure; another question in the same folder is refused, in one line.
    again = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert json.loads((tmp_path / "tuning" / "tuning.json").read_text())["points"] == report["points"]
    other = subprocess.run(
        [*command, "--seed", "1"], capture_output=True, text=True, timeout=100, check=False, cwd=tmp_path
    )
    assert other.returncode == 2
    assert "--restart" in other.stderr
