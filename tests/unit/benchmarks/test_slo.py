"""Service level objectives: how they are read and judged."""

import pytest

from benchmarks.slo import judge, parse_objective
from tritonkit.spec.errors import InputError
from tritonkit.spec.reports import Latency, LoadSeries


def _series(*, protocol="grpc", requests=1000, failures=0, throughput=100.0, p99=40.0):
    latency = Latency(p50=10, p90=20, p95=30, p99=p99, p999=60, mean=12, max=80)
    return LoadSeries(
        protocol=protocol, users=1, requests=requests, failures=failures, failure_reasons={}, throughput=throughput,
        latency=latency, timeline=(), histogram=(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("p99<50ms", True),
        ("p99<40ms", False),
        ("p99<=40ms", True),
        ("p99.9<0.05s", False),
        ("p50<20000us", True),
        ("mean<12.5ms, max<100ms", True),
        ("errors<0.1%", True),
        ("throughput>100/s", False),
        ("throughput>=100", True),
        ("p99<50ms,errors<0.1%,throughput>1000", False),
    ],
)
def test_each_term_is_compared_in_its_own_unit(text, met):
    assert judge(parse_objective(text), [_series()]).met is met


@pytest.mark.parametrize(
    "text", ["", "p99", "p99<50", "p98<50ms", "errors<1ms", "p99=50ms", "p99<50ms,", "throughput>1%"]
)
def test_what_is_no_objective_is_refused(text):
    with pytest.raises(InputError):
        parse_objective(text)


def test_every_protocol_must_meet_every_term():
    verdict = judge(parse_objective("p99<50ms"), [_series(), _series(protocol="http", p99=60.0)])
    assert not verdict.met
    assert [(term.protocol, term.met) for term in verdict.terms] == [("grpc", True), ("http", False)]


def test_errors_are_a_percentage_of_the_requests():
    assert judge(parse_objective("errors<0.1%"), [_series(failures=1)]).terms[0].got == pytest.approx(0.1)
    assert not judge(parse_objective("errors<0.1%"), [_series(failures=1)]).met


def test_a_protocol_without_requests_meets_nothing():
    assert not judge(parse_objective("errors<1%"), [_series(requests=0)]).met


def test_goodput_counts_within_the_loosest_latency():
    assert parse_objective("p50<10ms,p99<0.05s,errors<1%").latency_ms == 50
    assert parse_objective("errors<1%").latency_ms is None
