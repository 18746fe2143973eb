"""The generator as a program: plain Locust with and without its page, `tritonkit bench`, and that nothing stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.parse
import urllib.request

import psutil
import pytest

from benchmarks.generator import start_generator
from benchmarks.payloads import make_requests
from benchmarks.served_model import read_served_model
from tests.free_port import free_port

pytestmark = pytest.mark.server

LOCUSTFILE = "benchmarks/locustfile.py"


def _locust(server, *arguments, model="identity"):
    return [
        sys.executable, "-m", "locust", "-f", LOCUSTFILE, "--model", model,
        "--grpc-url", server.grpc_url, "--http-url", server.http_url, *arguments,
    ]  # fmt: skip


def _totals(output):
    """Requests and failures by protocol, from the table that Locust prints."""
    rows = [line.split() for line in output.splitlines() if line.startswith(("grpc ", "http "))]
    return {row[0]: (int(row[2]), int(row[3].partition("(")[0])) for row in rows if "(" in row[3]}


@pytest.mark.parametrize(
    "extra", [(), ("--processes", "2"), ("--rate", "20", "--http-url", "http://127.0.0.1:9", "GrpcUser")]
)
def test_plain_locust_runs_headless_and_ends(server, extra):
    command = _locust(server, "--headless", "-u", "4", "-r", "10", "-t", "3s", "--only-summary", *extra)
    if "--processes" in extra:
        port = str(free_port())
        command += ["--master-bind-port", port, "--master-port", port]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    totals = _totals(done.stderr)
    assert totals.keys() == ({"grpc"} if "GrpcUser" in extra else {"grpc", "http"}), done.stderr
    assert all(requests > 10 and failures == 0 for requests, failures in totals.values())
    assert done.returncode == 0


def test_plain_locust_says_what_is_wrong_and_ends(server):
    command = _locust(server, "--headless", "-u", "1", "-t", "20s", "--only-summary", model="nobody")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert "nobody" in done.stderr
    assert done.returncode != 0


def _eventually(question, seconds=120.0):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        try:
            if answer := question():
                return answer
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s")


def test_the_web_page_starts_a_test_and_sigterm_ends_it(server):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        _locust(server, "--web-host", "127.0.0.1", "--web-port", str(port)), stderr=subprocess.DEVNULL
    )
    try:
        page = _eventually(lambda: urllib.request.urlopen(url, timeout=30).read().decode())
        assert "identity" in page
        form = {"user_count": 4, "spawn_rate": 10, "model": "identity"}
        urllib.request.urlopen(f"{url}/swarm", urllib.parse.urlencode(form).encode(), timeout=60).close()

        def counted():
            stats = json.load(urllib.request.urlopen(f"{url}/stats/requests", timeout=30))["stats"]
            return {row["method"]: row["num_requests"] for row in stats if row["num_requests"] > 10}

        _eventually(lambda: counted().keys() >= {"grpc", "http"})
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
    finally:
        process.kill()
        process.wait()


def test_a_generator_under_load_obeys_sigterm(server, plan_for):
    plan = plan_for("identity", seconds=60.0)
    requests = make_requests(read_served_model(plan))
    with start_generator(plan, requests) as generator:
        generator.wait_ready()
        generator.begin()
        _eventually(lambda: generator.requests_so_far() > 50)
    # Its end is the block's: SIGKILL would come after its grace.
    assert generator._process.returncode != -signal.SIGKILL


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_nothing_stays_behind_a_load_test_that_is_killed(server, tmp_path, how):
    # A shell without job control starts what it runs in the background with SIGINT ignored, and that is inherited:
    # of a test run that was started so, the load test would not hear the Ctrl-C that it is sent here.
    script = textwrap.dedent(f"""
        import signal
        from benchmarks import LoadPlan, run_load
        signal.signal(signal.SIGINT, signal.default_int_handler)
        plan = LoadPlan(model="identity", grpc_url="{server.grpc_url}", seconds=60, ceiling_seconds=0)
        run_load(plan, progress=lambda text: print(text, flush=True))
    """)
    with (tmp_path / "errors").open("wb") as errors:
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            assert any(line.startswith("warming") for line in process.stdout)
            children = psutil.Process(process.pid).children(recursive=True)
            assert children
            os.kill(process.pid, how)
            process.wait(240)
        finally:
            process.kill()
            process.stdout.close()
            process.wait()
    gone, alive = psutil.wait_procs(children, timeout=120)
    assert not alive
    assert len(gone) == len(children)


def _bench(*arguments):
    command = [sys.executable, "-m", "tritonkit", "bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_bench_prints_writes_judges_and_compares(server, tmp_path):
    target = (server.grpc_url, server.http_url, "identity", "--seconds", "2", "--warmup", "0.5", "--users", "2")
    done = _bench(*target, "--slo", "p99<20s,errors<1%", "--out", str(tmp_path / "a.json"))
    assert done.returncode == 0, done.stderr
    assert "answers/s" in done.stdout
    assert "the server's account" in done.stdout
    assert "objective p99<20s,errors<1%: met" in done.stdout
    done = _bench(*target, "--no-ceiling", "--slo", "p50<1us", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["objective"]["met"] is False
    (tmp_path / "b.json").write_text(json.dumps(json.loads(done.stdout)))
    done = _bench("compare", str(tmp_path / "a.json"), str(tmp_path / "b.json"))
    assert "b.json is: " in done.stdout
    assert done.returncode in (0, 1)
    done = _bench("compare", str(tmp_path / "a.json"), str(tmp_path / "a.json"), "--json")
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (0, "no difference")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("identity",), "an address and a model are needed"),
        (("ftp://127.0.0.1:1", "identity"), "one address of each protocol"),
        (("grpc://127.0.0.1:9", "identity", "--slo", "p99"), "service level objective"),
        (("grpc://127.0.0.1:9", "identity", "--rate", "fast"), "this is no rate"),
        (("compare", "none.json", "none.json"), "cannot be read"),
    ],
)
def test_bench_refuses_in_one_line(arguments, told):
    done = _bench(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
