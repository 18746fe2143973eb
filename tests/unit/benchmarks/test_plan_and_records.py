"""The plan that the generator reads, the records that it writes, and why requests fail."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.arrivals import parse_rate
from benchmarks.plan import LoadPlan, plan_from_json, plan_to_json
from benchmarks.records import ANSWERED, RECORD, Ending, Reason, grpc_reason, http_reason, pack_record, read_rows
from tritonkit.spec.errors import InputError

GRPC, HTTP = "grpc://127.0.0.1:1", "http://127.0.0.1:2"


def test_a_plan_survives_the_way_to_the_generator():
    plan = LoadPlan(
        model="m", grpc_url=GRPC, http_url=HTTP, mode="open", rate=parse_rate("1..5", 3), spacing="even",
        files=(Path("a.jpg"),), shapes=(("x", (3, 4)),), seed=7,
    )  # fmt: skip
    assert plan_from_json(plan_to_json(plan)) == plan


def test_users_are_those_of_the_protocols_that_have_an_address():
    assert LoadPlan(model="m", grpc_url=GRPC, grpc_users=3).users == {"grpc": 3}
    assert LoadPlan(model="m", grpc_url=GRPC, http_url=HTTP, http_users=0).users == {"grpc": 4}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"grpc_url": GRPC, "grpc_users": 0},
        {"grpc_url": HTTP},
        {"http_url": "127.0.0.1:8000"},
        {"grpc_url": GRPC, "mode": "open"},
        {"grpc_url": GRPC, "rate": ((0.0, 1.0),)},
        {"grpc_url": GRPC, "seconds": 0},
        {"grpc_url": GRPC, "warmup_seconds": -1},
        {"grpc_url": GRPC, "processes": 0},
    ],
)
def test_a_plan_that_cannot_be_run_is_refused(fields):
    with pytest.raises(InputError):
        LoadPlan(model="m", **fields)


def test_records_are_read_back_and_a_torn_one_is_left_out(tmp_path):
    first = pack_record(intended=1.0, sent=2.0, done=3.0, protocol="grpc", ending=ANSWERED)
    second = pack_record(
        intended=4.0, sent=float("nan"), done=5.0, protocol="http", ending=Ending(reason=Reason.UNSENT), model=1
    )
    (tmp_path / "a").write_bytes(first + second[:-3])
    (tmp_path / "b").write_bytes(second)
    rows = read_rows([tmp_path / "a", tmp_path / "b"], RECORD)
    assert rows["intended"].tolist() == [1.0, 4.0]
    assert rows["protocol"].tolist() == [0, 1]
    assert rows["reason"].tolist() == [Reason.ANSWERED, Reason.UNSENT]


@pytest.mark.parametrize(
    ("code", "status", "message", "reason"),
    [
        ("UNAVAILABLE", 503, "Exceeds maximum queue size", Reason.QUEUE_FULL),
        ("UNAVAILABLE", 503, "Request timeout expired", Reason.QUEUE_TIMEOUT),
        ("UNAVAILABLE", 403, "This protocol is restricted, expecting header 'k'", Reason.REFUSED),
        ("NOT_FOUND", 404, "Request for unknown model: 'm' is not found", Reason.NOT_FOUND),
        ("INVALID_ARGUMENT", 400, "unexpected shape for input 'x'", Reason.BAD_REQUEST),
        ("INTERNAL", 500, "Stub process 'm' is not healthy", Reason.SERVER_ERROR),
    ],
)
def test_both_protocols_give_the_same_reason(code, status, message, reason):
    assert grpc_reason(code, message) is http_reason(status, message) is reason


def test_reasons_of_one_protocol_alone():
    assert http_reason(200, "") is Reason.ANSWERED
    assert grpc_reason("DEADLINE_EXCEEDED", "Deadline Exceeded") is Reason.DEADLINE
    assert grpc_reason("UNAVAILABLE", "failed to connect to all addresses") is Reason.UNREACHABLE


def test_the_room_can_be_imported_without_locust_gevent_grpc_or_psutil():
    heavy = "{'locust', 'gevent', 'grpc', 'psutil', 'tritonclient', 'torch'}"
    code = f"import sys, benchmarks; sys.exit(', '.join({heavy} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True).stderr.strip() == ""
    )
