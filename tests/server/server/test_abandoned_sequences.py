"""Sequences that nobody ends leave nothing behind in the embedded onnxruntime backend."""

from __future__ import annotations

import time

import numpy as np
import onnx
import psutil
import pytest
import tritonclient.grpc as grpc
from onnx import TensorProto, helper

from tritonkit.server import ServerOptions
from tritonkit.server.watchdog import running_stubs

pytestmark = pytest.mark.server

STATE = 65_536
STATE_MB = STATE * 4 / 1e6
IDLE_SECONDS = 0.1
CONFIG = f"""backend: "onnxruntime"
max_batch_size: 8
instance_group [{{ kind: KIND_CPU count: 1 }}]
input [{{ name: "x" data_type: TYPE_FP32 dims: [1] }}]
output [{{ name: "y" data_type: TYPE_FP32 dims: [1] }}]
sequence_batching {{
  max_sequence_idle_microseconds: {int(IDLE_SECONDS * 1e6)}
  oldest {{ max_candidate_sequences: 1024 }}
  state [{{ input_name: "state_in" output_name: "state_out" data_type: TYPE_FP32 dims: [{STATE}]
    initial_state: {{ name: "zeros" data_type: TYPE_FP32 dims: [{STATE}] zero_data: true }} }}]
}}
"""


def _network() -> onnx.ModelProto:
    """`state' = state + x`, `y = max(state')`."""

    def tensor(name: str, width: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width])

    nodes = [
        helper.make_node("Add", ["state_in", "x"], ["state_out"]),
        helper.make_node("ReduceMax", ["state_out"], ["y"], axes=[1], keepdims=1),
    ]
    graph = helper.make_graph(
        nodes, "sums", [tensor("x", 1), tensor("state_in", STATE)], [tensor("y", 1), tensor("state_out", STATE)]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_abandoned_sequences_leave_nothing_behind(start_for_test, tmp_path) -> None:
    """400 of 0.26 MB each, which would be over 100 MB."""
    (tmp_path / "sums" / "1").mkdir(parents=True)
    (tmp_path / "sums" / "1" / "model.onnx").write_bytes(_network().SerializeToString())
    (tmp_path / "sums" / "config.pbtxt").write_text(CONFIG)
    server = start_for_test(ServerOptions(tmp_path))
    (stub,) = running_stubs(server.pid)

    def memory() -> float:
        return psutil.Process(stub).memory_info().rss / 1e6

    with grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:

        def step(sequence: int, value: float, *, start: bool = False) -> float:
            tensor = grpc.InferInput("x", [1, 1], "FP32")
            tensor.set_data_from_numpy(np.array([[value]], np.float32))
            answer = client.infer("sums", [tensor], sequence_id=sequence, sequence_start=start, client_timeout=120)
            return float(answer.as_numpy("y")[0, 0])

        def abandon(first: int, count: int) -> None:
            for sequence in range(first, first + count):
                assert step(sequence, sequence, start=True) == sequence
            # The next request of any sequence finds them idle for twice their time.
            time.sleep(3 * IDLE_SECONDS)
            assert step(first + count, 1.0, start=True) == 1.0

        abandon(1, 100)
        before = memory()
        abandon(1001, 400)
        after = memory()
    print(f"{before:.0f} MB before, {after:.0f} MB after 400 abandoned sequences of {STATE_MB:.2f} MB")
    assert after < before + 200 * STATE_MB
