"""`tritonkit serve` as a person runs it: one line when ready, a clean stop, one clear line for each failure."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.cases.onnxruntime_models import LINEAR, Case, write_case
from tritonkit.server.readiness import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[3]
SLOW_MODEL = "import time\nclass TritonPythonModel:\n    def initialize(self, args):\n        time.sleep(60)\n"
ONE = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 1, 1, 1]}]}


def _good(repository: Path, name: str = "good") -> None:
    write_case(Case(name=name, rule="loads", loads=True, config=LINEAR), repository)


def _python_model(repository: Path, name: str, source: str) -> None:
    (repository / name / "1").mkdir(parents=True)
    (repository / name / "1" / "model.py").write_text(source)
    (repository / name / "config.pbtxt").write_text(LINEAR.replace("onnxruntime", "python"))


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tritonkit", "serve", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)


@contextlib.contextmanager
def _serving(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tritonkit", "serve", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _servers_below(pid: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(pid).children(recursive=True) if child.name() == "tritonserver"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_line_when_ready_and_a_clean_stop(number: signal.Signals, tmp_path) -> None:
    _good(tmp_path)
    with _serving(str(tmp_path), "--", "--log-verbose=1") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready: http://127.0.0.1:")
        assert line.endswith("serving good\n")
        (server,) = _servers_below(process.pid)
        assert "--log-verbose=1" in server.cmdline()
        port = int(line.split()[1].rpartition(":")[2])
        assert ask("127.0.0.1", port, "/v2/models/good/infer", method="POST", body=ONE, timeout=60).ok
        process.send_signal(number)
        rest, messages = process.communicate(timeout=120)
    assert (process.returncode, rest) == (0, "")
    assert messages.startswith("stopped in ")
    assert not server.is_running()


def test_json_the_key_and_a_model_whose_process_dies(tmp_path) -> None:
    _good(tmp_path)
    key_file = tmp_path.parent / f"{tmp_path.name}.key"
    with _serving(str(tmp_path), "--model", "good", "--json", "--admin-key-file", str(key_file)) as process:
        assert process.stdout is not None
        text = ""
        while not text.rstrip().endswith("\n}"):
            text += process.stdout.readline()
        ready = json.loads(text)
        assert (ready["models"], ready["not_served"]) == (["good"], {})
        port = int(ready["http"].rpartition(":")[2])
        assert key_file.stat().st_mode & 0o777 == 0o600
        headers = {"tritonkit-admin": key_file.read_text().strip()}
        assert ask("127.0.0.1", port, "/v2/repository/index", method="POST", body={}, headers=headers).ok
        (server,) = _servers_below(process.pid)
        for stub in server.children():
            stub.kill()
        deadline = time.monotonic() + 120
        while not ask("127.0.0.1", port, "/v2/models/good/infer", method="POST", body=ONE).ok:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        _, messages = process.communicate(timeout=120)
    assert "the process of good died" in messages
    assert "loaded good anew" in messages
    assert process.returncode == 0
    assert not key_file.exists()


def test_without_model_control_a_model_whose_process_dies_has_the_server_started_again(tmp_path) -> None:
    _good(tmp_path)
    with _serving(str(tmp_path), "--exit-timeout", "1") as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().split()[1].rpartition(":")[2])
        (server,) = _servers_below(process.pid)
        for stub in server.children():
            stub.kill()
        deadline = time.monotonic() + 240
        while not ask("127.0.0.1", port, "/v2/models/good/infer", method="POST", body=ONE, timeout=60).ok:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert not server.is_running(), "another server, on the same port"
        process.send_signal(signal.SIGTERM)
        _, messages = process.communicate(timeout=120)
    assert "the process of good died" in messages
    assert "started the server again" in messages
    assert process.returncode == 0


def test_a_model_that_does_not_load_is_one_line_and_exit_code_one(tmp_path) -> None:
    _good(tmp_path)
    _python_model(
        tmp_path, "broken", "class TritonPythonModel:\n    def initialize(self, args): raise ValueError('why')\n"
    )
    done = _run(str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "tritonkit serve: broken: this model does not load; got why\n"


def test_keeping_going_lists_what_is_not_served(tmp_path) -> None:
    _good(tmp_path)
    _python_model(
        tmp_path, "broken", "class TritonPythonModel:\n    def initialize(self, args): raise ValueError('why')\n"
    )
    with _serving(str(tmp_path), "--keep-going") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().endswith("serving good\n")
        assert process.stderr.readline() == "not served: broken: why\n"


def test_interrupting_while_models_load_ends_at_once(tmp_path) -> None:
    _python_model(tmp_path, "slow", SLOW_MODEL)
    with _serving(str(tmp_path)) as process:
        deadline = time.monotonic() + 120
        while not (servers := _servers_below(process.pid)):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        process.wait(120)
    assert process.returncode == 130
    assert not any(server.is_running() for server in servers)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["/nowhere/at/all"], 2, "/nowhere/at/all: this model repository does not exist"),
        (["{repository}", "--http-port", "{taken}"], 3, "the http port is in use"),
        (["{repository}", "--", "--no-such-flag=1"], 2, "this Triton does not know the flag; got --no-such-flag"),
        (["{repository}", "--target", "26.7"], 2, "this Triton release is not known; got 26.7"),
        (["{repository}", "--model", "absent"], 1, "absent: this model does not load"),
        (["{repository}", "--runtime", "podman"], 3, "podman is not installed"),
    ],
)
def test_each_failure_is_one_line_with_its_exit_code(arguments: list[str], code: int, words: str, tmp_path) -> None:
    if "podman" in arguments and any((Path(folder) / "podman").exists() for folder in os.get_exec_path()):
        pytest.skip("podman is installed here")
    _good(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        filled = [a.format(repository=tmp_path, taken=taken.getsockname()[1]) for a in arguments]
        done = _run(*filled)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
