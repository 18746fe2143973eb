"""Mixed models, sequences, streams and a replayed trace on a real Triton; and that gRPC leaves gevent alone."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from benchmarks import LoadPlan, run_load
from benchmarks.generator import start_generator
from benchmarks.served_model import requests_of
from tritonkit.server import ServerOptions, TritonServer

pytestmark = pytest.mark.server

_TENSORS = 'input [{ name: "x" data_type: TYPE_FP32 dims: [1] }] output [{ name: "y" data_type: TYPE_FP32 dims: [1] }]'
_CONFIGS = {
    "counter": """sequence_batching { max_sequence_idle_microseconds: 60000000
        control_input [
          { name: "START" control [{ kind: CONTROL_SEQUENCE_START fp32_false_true: [0, 1] }] },
          { name: "END" control [{ kind: CONTROL_SEQUENCE_END fp32_false_true: [0, 1] }] }] }""",
    "stream": "model_transaction_policy { decoupled: true }",
    "slow": "instance_group [{ kind: KIND_CPU count: 4 }]",
    "quick": "",
}
_CODE = {
    # Refuses a step that does not follow the one before: only whole sequences in order pass.
    "counter": """
        self.seen = getattr(self, "seen", 0)
        start = float(pb.get_input_tensor_by_name(request, "START").as_numpy().ravel()[0])
        end = float(pb.get_input_tensor_by_name(request, "END").as_numpy().ravel()[0])
        self.seen = 1 if start else self.seen + 1
        if end and self.seen != 3:
            return pb.InferenceResponse(error=pb.TritonError(f"{self.seen} steps"))""",
    "slow": """
        time.sleep(0.3)""",
    "quick": "",
}
_MODEL = """
import time
import triton_python_backend_utils as pb

class TritonPythonModel:
    def answer(self, request):{code}
        return pb.InferenceResponse([pb.Tensor("y", pb.get_input_tensor_by_name(request, "x").as_numpy())])

    def execute(self, requests):
        return [self.answer(request) for request in requests]
"""
_STREAM = """
import time
import triton_python_backend_utils as pb

class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            for _ in range(3):
                sender.send(pb.InferenceResponse([pb.Tensor("y", pb.get_input_tensor_by_name(request, "x").as_numpy())]))
                time.sleep(0.02)
            sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    repository = tmp_path_factory.mktemp("kinds")
    for name, config in _CONFIGS.items():
        (repository / name / "1").mkdir(parents=True)
        group = "" if "instance_group" in config else "instance_group [{ kind: KIND_CPU }]"
        text = f'name: "{name}" backend: "python" max_batch_size: 0 {group} {config} {_TENSORS}'
        (repository / name / "config.pbtxt").write_text(text)
        code = _STREAM if name == "stream" else _MODEL.format(code=_CODE[name])
        (repository / name / "1" / "model.py").write_text(textwrap.dedent(code))
    with TritonServer(ServerOptions(repository)) as running:
        yield running


def _plan(server, model, **fields):
    short = {"seconds": 2.0, "warmup_seconds": 0.5, "ceiling_seconds": 0.0, "grpc_users": 1, "http_users": 1}
    return LoadPlan(**{"model": model, "grpc_url": server.grpc_url, "http_url": server.http_url, **short, **fields})


def test_whole_sequences_in_order_pass_on_both_protocols(server):
    report = run_load(_plan(server, "counter", sequence_length=3))
    assert [one.failures for one in report.series] == [0, 0], [one.first_messages for one in report.series]
    assert all(one.requests > 10 for one in report.series)
    # One sequence too short for the model's taste fails, so the model would have seen a broken one.
    broken = run_load(_plan(server, "counter", sequence_length=2, http_url=None))
    assert "2 steps" in " ".join(broken.series[0].first_messages.values())


def test_a_stream_is_followed_to_its_last_response(server):
    (series,) = run_load(_plan(server, "stream", http_url=None, stream=True)).series
    assert series.failures == 0, series.first_messages
    assert series.responses == 3
    assert series.first_response.p50 + 30 < series.latency.p50
    assert series.latency.p50 >= 40


def test_a_mix_asks_by_weight_and_has_figures_for_each_model(server):
    report = run_load(_plan(server, "quick", mix=(("quick", 4.0), ("slow", 1.0)), grpc_users=4, http_url=None))
    quick, slow = report.series
    assert (quick.model, slow.model) == ("quick", "slow")
    assert report.model == "quick 80%, slow 20%"
    assert slow.latency.p50 >= 300 > quick.latency.p50
    assert quick.requests > slow.requests


def test_a_trace_is_replayed_when_it_was_recorded(server):
    trace = (*np.linspace(0, 0.4, 21), 1.2, 1.4)
    report = run_load(_plan(server, "quick", mode="open", trace=tuple(trace), http_url=None, grpc_users=2))
    (series,) = report.series
    assert series.requests == len(trace)
    assert sum(answers for second, answers, _ in series.timeline if second == 1.0) == 2


def test_a_call_that_waits_stops_no_other_user(server):
    plan = _plan(server, "slow", http_url=None, grpc_users=4)
    with start_generator(plan, requests_of(plan)) as generator:
        generator.wait_ready()
        began = generator.begin()
        generator.wait_until(began + 2.5, lambda: None)
        generator.wait_done()
        ((_, pulses),) = generator.pulses().items()
        records = generator.records()
    # Every call takes 300 ms. Were gevent blocked meanwhile, its timers would be as late as that, and calls would not
    # overlap: four users would get on no faster than one.
    assert np.median(pulses["lag"]) < 0.15
    overlapping = [(records["sent"] <= at).sum() - (records["done"] <= at).sum() for at in records["sent"] + 0.15]
    assert np.median(overlapping) > 2


@pytest.mark.timeout(250)
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("counter", "--sequence", "3", "--users", "1"), "closed loop"),
        (("stream", "--stream"), "3.0 responses a request, the first after"),
        (("quick", "--replay", "trace.txt"), "open loop: 20.0 requests/s offered"),
    ],
    ids=("sequence", "stream", "replay"),
)
def test_each_kind_runs_from_the_command_line_to_a_page(server, tmp_path, words, told):
    times = [100 + i / 20 for i in range(20)]
    (tmp_path / "trace.txt").write_text("# seconds\n" + "".join(f"{time}\n" for time in times))
    command = [sys.executable, "-m", "tritonkit", "bench", server.grpc_url, *words, "--warmup", "0.3", "--no-ceiling"]
    if "--replay" not in words:
        command += ["--seconds", "1"]
    command += ["--slo", "errors<0.1%", "--out", "load.json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert told in done.stdout
    report = json.loads((tmp_path / "load.json").read_text())
    (series,) = report["series"]
    assert series["failures"] == 0
    assert series["requests"] == len(times) if "--replay" in words else series["requests"] >= 3
    assert f"Load test of {words[0]}" in (tmp_path / "load.html").read_text()
    assert (tmp_path / "load.csv").read_text().count("\n") > 1
