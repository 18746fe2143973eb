"""Recorded traces, the CSV table, GPUs' metrics, mixes, sequences and held rates."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from tritonclient.grpc.service_pb2 import ModelInferRequest

from benchmarks.arrivals import held_pieces, parse_rate
from benchmarks.csv_table import COLUMNS, csv_table
from benchmarks.figures import Window, series_of
from benchmarks.gpu_use import gpu_use, parse_gpus
from benchmarks.payloads import encode
from benchmarks.plan import LoadPlan, parse_mix
from benchmarks.records import RECORD
from benchmarks.replay import read_trace
from tritonkit.spec.errors import InputError
from tritonkit.spec.reports import LoadReport

GRPC, HTTP = "grpc://127.0.0.1:1", "http://127.0.0.1:1"


def test_a_list_of_times_is_a_trace(tmp_path):
    (tmp_path / "trace.txt").write_text("# seconds\n1000.5\n1000.0 # first\n\n1002.25\n")
    assert read_trace(tmp_path / "trace.txt") == (0.0, 0.5, 2.25)


def test_tritons_own_trace_counts_requests_and_not_the_parts_of_an_ensemble(tmp_path):
    def stamps(number, ns, **more):
        return [
            {"id": number, "model_name": "m", **more},
            {"id": number, "timestamps": [{"name": "REQUEST_START", "ns": ns}]},
        ]

    records = [*stamps(1, 5_000_000_000), *stamps(2, 5_100_000_000, parent_id=1), *stamps(3, 6_500_000_000)]
    records.append({"id": 1, "timestamps": [{"name": "REQUEST_END", "ns": 9}]})
    (tmp_path / "trace.json").write_text(json.dumps(records))
    assert read_trace(tmp_path / "trace.json") == (0.0, 1.5)


@pytest.mark.parametrize("text", ["", "1.0\n", "soon\n", "[1, 2", '[{"timestamps": []}]', "nan\n1\n"])
def test_what_is_no_trace_is_refused(tmp_path, text):
    (tmp_path / "trace").write_text(text)
    with pytest.raises(InputError):
        read_trace(tmp_path / "trace")


def test_a_mix_is_names_and_weights():
    assert parse_mix("a") == ("a", ())
    assert parse_mix("a=3,b=0.5") == ("a", (("a", 3.0), ("b", 0.5)))
    with pytest.raises(InputError, match="mix"):
        parse_mix("a=three")


@pytest.mark.parametrize(
    "fields",
    [
        {"mode": "open", "rate": parse_rate("5", 1), "trace": (0.0, 1.0)},
        {"stream": True, "http_url": HTTP},
        {"sequence_length": -1},
        {"sequence_length": 3, "mix": (("a", 1.0), ("b", 1.0))},
        {"mix": (("a", 1.0), ("a", 2.0))},
        {"mix": (("a", 0.0),)},
        {"metrics_url": "file:///etc/passwd"},
    ],
)
def test_kinds_of_load_that_contradict_each_other_are_refused(fields):
    with pytest.raises(InputError):
        LoadPlan(model="a", grpc_url=GRPC, **fields)


def test_a_step_of_a_sequence_says_so_on_both_protocols_and_keeps_its_tensors():
    request = encode("m", {"x": np.arange(3, dtype=np.float32)})
    step = request.in_sequence(7, start=True, end=False)
    message, plain = ModelInferRequest.FromString(step.grpc), ModelInferRequest.FromString(request.grpc)
    assert message.parameters["sequence_id"].int64_param == 7
    assert message.parameters["sequence_start"].bool_param is True
    assert message.parameters["sequence_end"].bool_param is False
    assert message.raw_input_contents == plain.raw_input_contents
    assert message.inputs == plain.inputs
    header = json.loads(step.http[: step.http_header_length])
    assert header["parameters"] == {
        "binary_data_output": True, "sequence_id": 7, "sequence_start": True, "sequence_end": False,
    }  # fmt: skip
    assert step.http[step.http_header_length :] == request.http[request.http_header_length :]


def test_held_rates_are_those_of_steps():
    assert held_pieces(parse_rate("10,20", 4), 4) == ((0.0, 2.0), (2.0, 4.0))
    assert held_pieces(parse_rate("10..20", 4), 4) == ()
    plan = LoadPlan(model="m", grpc_url=GRPC, mode="open", rate=parse_rate("10,20", 4), seconds=4)
    times = [*np.arange(0, 2, 0.1), *np.arange(2, 4, 0.05)]
    rows = np.array([(t, t, np.nan, t + 0.01 * (1 + (t >= 2)), 1, 0, 0, 0) for t in times], dtype=RECORD)
    low, high = series_of(plan, "grpc", rows, Window(begin=0.0, end=4.0)).rates
    assert (low.offered, high.offered) == pytest.approx((10, 20))
    assert (low.p50, high.p50) == pytest.approx((10, 20))


def test_the_models_of_a_mix_and_the_responses_of_a_stream_have_figures_of_their_own():
    window = Window(begin=0.0, end=1.0)
    rows = np.array([(i / 10, i / 10, i / 10 + 0.005, i / 10 + 0.02, 4, 0, 0, i % 2) for i in range(10)], dtype=RECORD)
    mixed = LoadPlan(model="a", mix=(("a", 1.0), ("b", 1.0)), grpc_url=GRPC)
    assert [(series_of(mixed, "grpc", rows, window, model=n).model, n) for n in (0, 1)] == [("a", 0), ("b", 1)]
    assert series_of(mixed, "grpc", rows, window, model=1).requests == 5
    series = series_of(LoadPlan(model="a", grpc_url=GRPC, stream=True), "grpc", rows, window)
    assert series.responses == 4
    assert series.first_response.p50 == pytest.approx(5)
    assert series.latency.p50 == pytest.approx(20)


def test_the_table_has_a_line_a_slice():
    rows = np.array([(i / 100, i / 100, np.nan, i / 100 + 0.02, 1, 0, 0, 0) for i in range(100)], dtype=RECORD)
    series = series_of(LoadPlan(model="m", grpc_url=GRPC, seconds=1), "grpc", rows, Window(begin=0.0, end=1.0))
    report = LoadReport(
        model="m", mode="closed", offered=None, seconds=1, warmup_seconds=0, series=(series,), server=(),
        generator_cpu=0, cores=1, limited_by_generator=False, started_at="", command="",
    )  # fmt: skip
    header, *lines = csv.reader(csv_table(report).splitlines())
    assert tuple(header) == COLUMNS
    assert len(lines) == len(series.slices)
    assert sum(int(line[3]) for line in lines) == sum(piece.answers for piece in series.slices)
    assert all(float(line[5]) == pytest.approx(20, rel=0.02) for line in lines)


def test_gpus_are_read_from_tritons_metrics():
    text = (
        'nv_gpu_utilization{gpu_uuid="GPU-1"} 0.5\nnv_gpu_memory_used_bytes{gpu_uuid="GPU-1"} 2000000000.0\n'
        'nv_gpu_utilization{gpu_uuid="GPU-2"} 1\nnv_inference_count{model="m"} 3\n'
    )
    (first, second) = gpu_use([parse_gpus(text), parse_gpus(text.replace(" 0.5", " 0.7"))])
    assert (first.gpu, first.utilisation, first.memory_bytes) == ("GPU-1", pytest.approx(0.6), 2e9)
    assert second.utilisation == 1
    assert gpu_use([parse_gpus("")]) == ()
