"""A stage: kept, resumed, limited in time, explained."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from builder.stage import Stage, run_stage
from tests.network_probe import Empty, Seen
from tritonkit.spec.errors import GateError, KitError
from tritonkit.spec.model import Document


class Request(Document):
    """What the stages below are told."""

    what: str


class Result(Document):
    """What they tell."""

    pid: int


def work(request: Request, inputs: dict[str, Path], out: Path) -> Result:
    """The stage's function; it runs in the child."""
    (out / "copy.txt").write_text(inputs["text"].read_text() + request.what)
    if request.what == "gate":
        raise GateError("it is not equal", where="here", got=1, expected=2)
    if request.what == "crash":
        raise ZeroDivisionError("by zero")
    if request.what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if request.what == "hang":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", out])
        time.sleep(600)
    return Result(pid=os.getpid())


STAGE = Stage(name="toy", function=f"{__name__}:work", request=Request, result=Result, time_limit=240)


@pytest.fixture
def stage(monkeypatch):
    """The stage above under the name by which a child can import this file."""
    name = "tests.builds.test_stage"
    module = sys.modules[__name__]
    monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(Request, "__module__", name)
    return Stage(name="toy", function=f"{name}:work", request=Request, result=Result, time_limit=240)


@pytest.fixture
def text(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text("text")
    return file


def test_the_same_run_is_done_once(stage, text, tmp_path):
    first = run_stage(stage, Request(what="once"), {"text": text})
    assert not first.cached
    assert first.result.pid != os.getpid()
    assert (first.out / "copy.txt").read_text() == "textonce"
    again = run_stage(stage, Request(what="once"), {"text": text})
    assert again.cached
    assert again.result == first.result
    moved = tmp_path / "elsewhere.txt"
    moved.write_text("text")
    assert run_stage(stage, Request(what="once"), {"text": moved}).cached, "content counts, not the place"
    moved.write_text("other")
    assert not run_stage(stage, Request(what="once"), {"text": moved}).cached


def test_outputs_that_were_changed_are_made_again(stage, text):
    first = run_stage(stage, Request(what="tampered"), {"text": text})
    (first.out / "copy.txt").write_text("something else")
    again = run_stage(stage, Request(what="tampered"), {"text": text})
    assert not again.cached
    assert (again.out / "copy.txt").read_text() == "texttampered"


def test_an_error_of_the_kit_arrives_as_itself_and_leaves_no_outputs(stage, text, own_cache):
    with pytest.raises(GateError, match=r"here: it is not equal; got 1; expected 2; full log: .*log.txt") as caught:
        run_stage(stage, Request(what="gate"), {"text": text})
    failed = caught.value.log_path.parent
    assert not (failed / "out").exists()
    assert (failed / "reproduce.sh").stat().st_mode & 0o111
    assert not list((own_cache / "stages" / "toy").glob(".*"))


def test_reproduce_repeats_the_failure(stage, text):
    with pytest.raises(KitError) as caught:
        run_stage(stage, Request(what="crash"), {"text": text})
    script = caught.value.log_path.parent / "reproduce.sh"
    done = subprocess.run([script], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode != 0
    assert "ZeroDivisionError: by zero" in done.stderr


@pytest.mark.parametrize(
    ("what", "message"),
    [("crash", "ZeroDivisionError: by zero"), ("killed", "SIGKILL, as the kernel sends when memory runs out")],
)
def test_a_crash_is_one_line_with_its_log(stage, text, what, message):
    with pytest.raises(KitError) as caught:
        run_stage(stage, Request(what=what), {"text": text})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.log_path.is_file()


def test_a_hang_ends_at_the_time_limit_with_all_that_it_started(stage, text, own_cache):
    limited = Stage(name="toy", function=stage.function, request=Request, result=Result, time_limit=6)
    began = time.monotonic()
    with pytest.raises(KitError, match="still running after 6 s"):
        run_stage(limited, Request(what="hang"), {"text": text})
    assert time.monotonic() - began < 300, "it would have gone on for ten minutes"
    left = subprocess.run(["pgrep", "-f", f"sleep.600.*{own_cache}"], capture_output=True, text=True, check=False)
    assert left.stdout.split() == []


def test_what_a_killed_build_left_is_swept_after_a_day(stage, text, own_cache):
    stale = own_cache / "stages" / "toy" / ".stale"
    stale.mkdir(parents=True)
    (stale / "request.json").write_text(json.dumps({}))
    os.utime(stale, (0, 0))
    run_stage(stage, Request(what="sweeps"), {"text": text})
    assert not stale.exists()


def test_a_stage_has_loopback_and_no_other_network(tmp_path, own_cache):
    stage = Stage(name="probe", function="tests.network_probe:probe", request=Empty, result=Seen, time_limit=240)
    seen = run_stage(stage, Empty(), {}).result
    if seen.interfaces != ["lo"]:
        pytest.skip("this machine allows no network namespace")
    assert seen.loopback
    assert not seen.world


def test_what_needs_the_network_is_prepared_once_and_only_before_a_child(tmp_path, own_cache):
    stage = Stage(name="probe2", function="tests.network_probe:probe", request=Empty, result=Seen, time_limit=240)
    calls = []
    run_stage(stage, Empty(), {}, prepare=lambda: calls.append(1))
    run_stage(stage, Empty(), {}, prepare=lambda: calls.append(2))
    assert calls == [1]
