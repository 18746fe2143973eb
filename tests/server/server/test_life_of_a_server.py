"""A server from start to end: ports, readiness, failed loads, control, deaths, and what is left behind."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.cases.onnxruntime_models import LINEAR, Case, write_case
from tritonkit.server import ServerOptions, TritonServer
from tritonkit.server.process import SHARED_MEMORY
from tritonkit.server.readiness import ask
from tritonkit.server.watchdog import LOOK_EVERY_SECONDS, StubWatch, heal, running_stubs
from tritonkit.spec.errors import GateError, InputError, KitError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.server

ONE = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 1, 1, 1]}]}
# A process that is on its way out is gone in a moment; on a busy machine in many.
GONE_SECONDS = 60
BROKEN_MODEL = (
    "class TritonPythonModel:\n    def initialize(self, args):\n        raise ValueError('no weights\\nhere')\n"
)
ENSEMBLE = """platform: "ensemble"
max_batch_size: 8
input [{ name: "x" data_type: TYPE_FP32 dims: [4] }]
output [{ name: "y" data_type: TYPE_FP32 dims: [3] }]
ensemble_scheduling { step [{ model_name: "good" model_version: -1
  input_map { key: "x" value: "x" } output_map { key: "y" value: "y" } }] }
"""


def _good(repository: Path, name: str = "good") -> Path:
    return write_case(Case(name=name, rule="loads", loads=True, config=LINEAR), repository)


def _broken(repository: Path, name: str = "broken") -> Path:
    folder = repository / name
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.py").write_text(BROKEN_MODEL)
    (folder / "config.pbtxt").write_text(LINEAR.replace("onnxruntime", "python"))
    return folder


def _ensemble(repository: Path) -> None:
    (repository / "whole" / "1").mkdir(parents=True)
    (repository / "whole" / "config.pbtxt").write_text(ENSEMBLE)


def _port(url: str) -> int:
    return int(url.removesuffix("/metrics").rpartition(":")[2])


def _infer(server: TritonServer, model: str = "good"):
    return ask("127.0.0.1", _port(server.http_url), f"/v2/models/{model}/infer", method="POST", body=ONE, timeout=60)


def _wait(until: Callable[[], bool], seconds: float = GONE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def _regions(pid: int) -> list[str]:
    return [region.name for region in SHARED_MEMORY.glob(f"tritonkit-{pid}-*")]


@pytest.fixture
def regions_of_others() -> set[str]:
    """Regions of servers that other tests of this process keep running."""
    return set(_regions(os.getpid()))


@pytest.fixture
def server(regions_of_others, start_for_test, tmp_path) -> TritonServer:
    _good(tmp_path)
    return start_for_test(ServerOptions(tmp_path, ("good",)))


def test_it_starts_answers_and_leaves_nothing(tmp_path) -> None:
    _good(tmp_path)
    before, regions = set(tmp_path.rglob("*")), set(_regions(os.getpid()))
    with TritonServer(ServerOptions(tmp_path)) as server:
        assert set(_regions(os.getpid())) > regions
        assert _infer(server).body["outputs"][0]["data"] == [18, 22, 26]
        assert ask("127.0.0.1", _port(server.metrics_url), "/metrics").status == 200
        assert [(state.name, state.ready) for state in server.index()] == [("good", True)]
        assert any(record.model == "good" and record.level == "info" for record in server.records())
        pid, children = server.pid, list(running_stubs(server.pid))
        assert len(children) == 1
        ended = server.stop()
    assert (ended.code, ended.explanation) == (0, "stopped cleanly")
    assert not psutil.pid_exists(pid)
    assert not any(psutil.pid_exists(child) for child in children)
    assert set(_regions(os.getpid())) <= regions, "other servers of this process have theirs"
    assert set(tmp_path.rglob("*")) == before, "serving writes nothing into the repository"


def test_serving_python_models_writes_no_bytecode(start_for_test, tmp_path) -> None:
    folder = _broken(tmp_path)
    (folder / "1" / "model.py").write_text("import helper\n" + BROKEN_MODEL.replace("raise", "return; raise"))
    (folder / "1" / "helper.py").write_text("")
    start_for_test(ServerOptions(tmp_path)).stop()
    assert not list(tmp_path.rglob("__pycache__"))


def test_administration_needs_the_key_and_clients_do_not(server) -> None:
    port = _port(server.http_url)
    for path in (
        "/v2/repository/index",
        "/v2/repository/models/good/unload",
        "/v2/systemsharedmemory/region/r/register",
    ):
        assert ask("127.0.0.1", port, path, method="POST", body={}).status == 403
    for path in ("/v2/logging", "/v2/trace/setting"):
        assert ask("127.0.0.1", port, path, method="POST", body={}).status == 403
    assert _infer(server).ok
    # tritonserver takes the key in no other way than its own command line; nobody else may have it there.
    commands = [process.info for process in psutil.process_iter(["cmdline", "name"]) if process.info["cmdline"]]
    holders = {info["name"] for info in commands if any(server.admin_key in argument for argument in info["cmdline"])}
    assert holders <= {"tritonserver"}
    assert server.admin_key not in server.log_path.read_text()
    assert server.admin_key not in repr(server.options)


def test_control_mode_none_has_no_control(start_for_test, tmp_path) -> None:
    _good(tmp_path)
    server = start_for_test(ServerOptions(tmp_path))
    with pytest.raises(GateError, match="explicit model load / unload is not allowed"):
        server.load("good")


def test_load_and_unload(server, tmp_path) -> None:
    _good(tmp_path, "second")
    assert not server.model_is_ready("second")
    server.load("second")
    assert server.model_is_ready("second")
    assert server.model_is_ready("second", 1)
    server.unload("second")
    _wait(lambda: not server.model_is_ready("second"))
    assert _infer(server).ok


def test_a_failed_load_says_why_what_is_served_and_the_way_back(server, tmp_path) -> None:
    folder = _broken(tmp_path)
    with pytest.raises(GateError) as caught:
        server.load("broken")
    text = str(caught.value)
    assert text.startswith("broken: this model does not load; got no weights here; still served: good")
    assert "\n" not in text
    assert not server.is_ready(), "the trap: one failed load spoils the readiness of all"
    assert "/v2/health/ready stays 400 until a restart" in text
    assert _infer(server).ok
    # A good load of the same version is one way back, a restart the other.
    (folder / "1" / "model.py").write_text(BROKEN_MODEL.replace("raise", "return; raise"))
    server.load("broken")
    assert server.is_ready()


def test_a_restart_takes_the_same_ports_and_clears_the_readiness(server, tmp_path) -> None:
    _broken(tmp_path)
    with pytest.raises(GateError):
        server.load("broken")
    url, pid = server.http_url, server.pid
    server.restart()
    assert server.http_url == url
    assert server.pid != pid
    assert server.is_ready()


def test_a_model_that_does_not_load_ends_the_start_with_its_reason(tmp_path) -> None:
    _good(tmp_path)
    _broken(tmp_path)
    with pytest.raises(GateError) as caught, TritonServer(ServerOptions(tmp_path)):
        pytest.fail("it must not start")
    assert (caught.value.where, caught.value.got) == ("broken", "no weights here")


def test_an_ensemble_is_blamed_after_the_part_at_fault(tmp_path) -> None:
    _ensemble(tmp_path)
    _broken(tmp_path, "good")
    with pytest.raises(GateError) as caught, TritonServer(ServerOptions(tmp_path)):
        pytest.fail("it must not start")
    assert (caught.value.where, caught.value.got) == ("good", "no weights here")
    assert "whole: depends on 'good' which has no loaded version." in str(caught.value.hint)


def test_keeping_going_serves_the_rest(start_for_test, tmp_path) -> None:
    _good(tmp_path)
    _broken(tmp_path)
    server = start_for_test(ServerOptions(tmp_path, exit_on_error=False, strict_readiness=False))
    assert _infer(server).ok
    assert [(failure.model, failure.reason) for failure in server.failures()] == [("broken", "no weights here")]


def test_a_model_that_is_not_there(tmp_path) -> None:
    _good(tmp_path)
    with (
        pytest.raises(GateError, match="absent: this model does not load; got model not found"),
        TritonServer(ServerOptions(tmp_path, ("absent",))),
    ):
        pytest.fail("it must not start")


def test_a_port_in_use_is_one_line(tmp_path) -> None:
    _good(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for name in ("http", "grpc", "metrics"):
            with pytest.raises(UnavailableError, match=f"127.0.0.1:{port}: the {name} port is in use"):
                TritonServer(ServerOptions(tmp_path, **{f"{name}_port": port})).start()


def test_a_port_taken_meanwhile_is_chosen_again(start_for_test, tmp_path, monkeypatch) -> None:
    """The race: both chose the same free port, and the other server was faster."""
    _good(tmp_path)
    first = start_for_test(ServerOptions(tmp_path))
    taken = [_port(first.http_url), _port(first.grpc_url), _port(first.metrics_url)]
    from tritonkit.server import triton

    choose, offers = triton._free_port, iter(taken)
    monkeypatch.setattr(triton, "_free_port", lambda host, chosen: next(offers, None) or choose(host, chosen))
    second = start_for_test(ServerOptions(tmp_path))
    assert second.http_url != first.http_url
    assert second.pid != first.pid
    assert _infer(second).ok


def test_several_servers_at_once(tmp_path) -> None:
    _good(tmp_path)

    def serve(_: int) -> bool:
        with TritonServer(ServerOptions(tmp_path)) as server:
            return _infer(server).ok

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(serve, range(3))) == [True] * 3


def test_stopping_with_an_idle_connection_keeps_its_budget_and_says_why(tmp_path) -> None:
    _good(tmp_path)
    with TritonServer(ServerOptions(tmp_path, exit_timeout_seconds=2)) as server:
        idle = http.client.HTTPConnection("127.0.0.1", _port(server.http_url))
        with contextlib.closing(idle):
            idle.request("GET", "/v2/health/live")
            idle.getresponse().read()
            ended = server.stop()
    assert ended.seconds < 20, "Triton's own budget is 30 s"
    assert ended.code != 0
    assert "open HTTP connection" in ended.explanation


def test_a_stopped_process_is_killed_when_its_budget_is_over(tmp_path) -> None:
    _good(tmp_path)
    with TritonServer(ServerOptions(tmp_path, exit_timeout_seconds=0)) as server:
        pid = server.pid
        os.kill(pid, signal.SIGSTOP)
        ended = server.stop()
    assert ended.explanation == "did not stop within its budget and was killed"
    assert not psutil.pid_exists(pid)


def test_kill_9_of_the_server_leaves_neither_children_nor_memory(regions_of_others, server) -> None:
    stubs = list(running_stubs(server.pid))
    os.kill(server.pid, signal.SIGKILL)
    _wait(lambda: not server.running)
    _wait(lambda: not any(psutil.pid_exists(stub) for stub in stubs))
    _wait(lambda: set(_regions(os.getpid())) <= regions_of_others)
    assert not server.is_ready()
    with pytest.raises(UnavailableError, match="does not answer"):
        server.index()
    server.restart()
    assert _infer(server).ok


@pytest.mark.parametrize("end", ["kill -9", "exception", "exit"])
def test_however_the_kit_ends_the_server_ends(end: str, tmp_path) -> None:
    _good(tmp_path)
    program = (
        "import sys, time\nfrom tritonkit.server import *\n"
        "server = TritonServer(ServerOptions(sys.argv[1])); server.start(); server.wait_ready()\n"
        "print(server.pid, flush=True)\n"
        + {"kill -9": "time.sleep(60)", "exception": "1 / 0", "exit": "sys.exit(3)"}[end]
    )
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as kit:
        assert kit.stdout is not None
        pid = int(kit.stdout.readline())
        stubs = list(running_stubs(pid))
        if end == "kill -9":
            kit.kill()
        kit.wait(120)
        _wait(lambda: not any(psutil.pid_exists(process) for process in (pid, *stubs)))
        _wait(lambda: _regions(kit.pid) == [])


def test_the_regions_of_a_dead_kit_are_removed_by_the_next(start_for_test, tmp_path) -> None:
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    region = SHARED_MEMORY / f"tritonkit-{int(dead.stdout)}-left-behind"
    region.touch()
    _good(tmp_path)
    start_for_test(ServerOptions(tmp_path), ready=False).stop()
    assert not region.exists()


def test_a_dead_stub_is_noticed_within_ten_seconds_and_its_model_healed(start_for_test, tmp_path) -> None:
    _good(tmp_path)
    _ensemble(tmp_path)
    server = start_for_test(ServerOptions(tmp_path, ("whole",)))
    watch = StubWatch(server)
    (stub,) = running_stubs(server.pid)
    os.kill(stub, signal.SIGKILL)
    # `tritonkit serve` looks this often. The process has gone a moment after it was killed, so that four looks in ten
    # seconds notice it.
    for _ in range(int(10 / LOOK_EVERY_SECONDS) - 1):
        time.sleep(LOOK_EVERY_SECONDS)
        if dead := watch.dead_models():
            break
    assert dead == ("good",)
    assert "not healthy" in _infer(server, "whole").error
    assert server.is_ready(), "the trap: the server calls itself ready"
    assert heal(server, dead) == "loaded good anew"
    assert _infer(server, "whole").ok
    for _ in range(3):
        assert watch.dead_models() == ()


def test_an_unloaded_or_replaced_model_is_not_called_dead(server, tmp_path) -> None:
    watch = StubWatch(server)
    _good(tmp_path, "second")
    server.load("second")
    watch.dead_models()
    server.unload("second")
    os.utime(tmp_path / "good" / "config.pbtxt")
    server.load("good")
    for _ in range(4):
        assert watch.dead_models() == ()
        time.sleep(0.5)


def test_without_control_the_server_starts_again(start_for_test, tmp_path) -> None:
    _good(tmp_path)
    server = start_for_test(ServerOptions(tmp_path, exit_timeout_seconds=1))
    (stub,) = running_stubs(server.pid)
    os.kill(stub, signal.SIGKILL)
    assert heal(server, ("good",)) == "started the server again"
    assert _infer(server).ok


def test_a_repository_emptied_under_it_goes_on_serving(server, tmp_path) -> None:
    shutil.rmtree(tmp_path / "good")
    assert _infer(server).ok
    with pytest.raises(GateError, match="good"):
        server.load("good")


def test_a_corrupted_file_keeps_the_version_that_serves(server, tmp_path) -> None:
    model = tmp_path / "good" / "1" / "model.onnx"
    model.write_bytes(model.read_bytes()[:-30])
    with pytest.raises(GateError, match="still served: good"):
        server.load("good")
    assert _infer(server).ok


def test_a_read_only_repository_is_served(mount_disk, start_for_test) -> None:
    """Read-only to root too; an ONNX model, a Python model that imports another file, and a load."""
    disk = mount_disk("size=1m")
    _good(disk)
    folder = _broken(disk, "python")
    (folder / "1" / "model.py").write_text("import helper\n" + BROKEN_MODEL.replace("raise", "return; raise"))
    (folder / "1" / "helper.py").write_text("")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(OSError, match="Read-only"):
        (disk / "good" / "note").touch()
    server = start_for_test(ServerOptions(disk, ("good",)))
    assert _infer(server).ok
    server.load("python")
    assert server.model_is_ready("python")


def test_errors_are_typed(tmp_path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        TritonServer(ServerOptions(tmp_path / "nowhere")).start()
    with pytest.raises(KitError, match="has not been started"):
        _ = TritonServer(ServerOptions(tmp_path)).http_url
    assert TritonServer(ServerOptions(tmp_path)).stop().explanation == "was not running"
