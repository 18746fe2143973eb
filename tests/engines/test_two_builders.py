"""The engine cache under several processes and under SIGKILL, with real builds."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from builder.engines.engine_cache import find_engine, read_verified
from tests.engines.small_graphs import conv

HOUSE = Path(__file__).parents[2]


@pytest.fixture
def start():
    """Starts `build_one.py`; ends whatever still runs."""
    running = []

    def start_one(onnx, cache):
        command = [sys.executable, str(Path(__file__).with_name("build_one.py")), str(onnx), str(cache)]
        child = subprocess.Popen(
            command, cwd=HOUSE, env=os.environ | {"PYTHONPATH": str(HOUSE)}, stdout=subprocess.PIPE, text=True
        )
        running.append(child)
        return child

    yield start_one
    for child in running:
        child.kill()
        child.communicate()


def wait_for(what, seconds=300):
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.005)
    return found


def test_of_several_builders_one_builds_and_the_others_use_it(rtx, request_of, start, tmp_path):
    onnx, cache = conv(tmp_path / "m.onnx"), tmp_path / "cache"
    told = [child.communicate(timeout=400)[0] for child in [start(onnx, cache) for _ in range(3)]]
    assert sorted(text.splitlines()[-1] for text in told) == ["built", "cached", "cached"]
    assert sum("building: " in text for text in told) == 1
    _, key, _ = request_of(onnx)
    assert read_verified(find_engine(cache, key))
    assert list((cache / "locks").iterdir()) == []


@pytest.mark.timeout(1200)
def test_the_second_waits_for_the_first_and_says_for_whom(real_models, rtx, start, tmp_path):
    onnx, cache = real_models / "resnet18_fp32.onnx", tmp_path / "cache"
    first = start(onnx, cache)
    wait_for(lambda: list(cache.glob("engines/.building-*")))
    # Held still while it holds the lock, until the second has met it.
    first.send_signal(signal.SIGSTOP)
    second = start(onnx, cache)
    waiting = f"waiting for process {first.pid} on {os.uname().nodename}, which is building this engine\n"
    assert second.stdout.readline() == waiting
    first.send_signal(signal.SIGCONT)
    assert first.communicate(timeout=400)[0].splitlines()[-1] == "built"
    assert second.communicate(timeout=400)[0].splitlines() == ["cached"]


@pytest.mark.timeout(1200)
def test_a_killed_builder_leaves_no_half_engine_and_blocks_nobody(real_models, rtx, request_of, start, tmp_path):
    onnx, cache = real_models / "resnet18_fp32.onnx", tmp_path / "cache"
    killed = start(onnx, cache)
    work = wait_for(lambda: list(cache.glob("engines/.building-*/work/request.json")))[0].parent
    (child,) = wait_for(lambda: psutil.Process(killed.pid).children())
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    # The compiler ends with its parent, so that it does not build for nobody.
    psutil.wait_procs([child], timeout=120)
    assert not child.is_running()
    _, key, _ = request_of(onnx)
    assert find_engine(cache, key) is None
    assert work.exists()
    assert start(onnx, cache).communicate(timeout=400)[0].splitlines()[-1] == "built"
    assert not work.exists()
    assert [entry.name[0] != "." for entry in (cache / "engines").iterdir()] == [True]
    assert list((cache / "locks").iterdir()) == []
    assert read_verified(find_engine(cache, key))
