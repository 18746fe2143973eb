"""Records -> figures: what belongs to the measured time, what has a latency, what the generator's limit is."""

import itertools
import random

import numpy as np
import pytest

from benchmarks.arrivals import intended_starts, parse_rate
from benchmarks.figures import GeneratorUse, Window, generator_use, limit_reason, series_of, server_times
from benchmarks.plan import LoadPlan
from benchmarks.records import PULSE, RECORD, Reason
from clients.server_statistics import Duration, ModelStatistics
from tritonkit.spec.errors import UnavailableError

CLOSED = LoadPlan(model="m", grpc_url="grpc://127.0.0.1:1", grpc_users=2)
OPEN = LoadPlan(model="m", grpc_url="grpc://127.0.0.1:1", mode="open", rate=parse_rate("100", 20))
WINDOW = Window(begin=100.0, end=120.0)


def _rows(*rows):
    """Records from (intended, sent, done, reason)."""
    return np.array([(i, s, np.nan, d, 1, 0, r, 0) for i, s, d, r in rows], dtype=RECORD)


def _steady(*, until=120.0, seconds=0.010):
    return [(t, t, t + seconds, Reason.ANSWERED) for t in np.arange(100.0, until, 0.01)]


def test_the_warm_up_and_what_comes_after_the_end_are_left_out():
    rows = _rows(
        (99.0, 99.0, 99.5, 0), (99.9, 99.9, 100.1, 0), (100.0, 100.0, 100.2, 0), (119.9, 119.9, 120.4, 0),
        (120.0, 120.0, 120.1, 0),
    )  # fmt: skip
    series = series_of(CLOSED, "grpc", rows, WINDOW)
    assert series.requests == 2  # by when they were sent
    assert series.throughput == 2 / 20  # by when the answer came
    assert series.latency.max == pytest.approx(500)


def test_latency_counts_from_when_the_request_was_due():
    series = series_of(OPEN, "grpc", _rows((101.0, 103.0, 103.5, 0)), WINDOW)
    assert series.latency.p50 == pytest.approx(2500)
    assert (series.late, series.offered) == (1, 1 / 20)


def test_a_stalled_server_shows_in_every_request_that_it_held_up():
    starts = list(
        itertools.takewhile(lambda s: s < 20, intended_starts(OPEN.rate, spacing="even", rng=random.Random()))
    )
    stalled = [(s, max(0.0, 10 - s) if 5 <= s < 10 else 0.0) for s in starts]  # for the five seconds from 5 to 10
    rows = _rows(*((100 + s, 100 + s, 100 + s + wait + 0.01, 0) for s, wait in stalled))
    assert series_of(OPEN, "grpc", rows, WINDOW).latency.p99 == pytest.approx(4810, rel=0.01)


def test_a_deadline_counts_as_the_time_waited_and_a_refusal_has_no_latency():
    slow = _rows(*_steady(), *((110.0 + i / 1000, 110.0, 113.0, Reason.DEADLINE) for i in range(40)))
    assert series_of(CLOSED, "grpc", slow, WINDOW).latency.p99 == pytest.approx(2960, rel=0.02)
    refused = _rows(*_steady(), *((110.0, 110.0, 110.001, Reason.QUEUE_FULL) for _ in range(4000)))
    series = series_of(CLOSED, "grpc", refused, WINDOW, messages={"queue full": "Exceeds maximum queue size"})
    assert series.latency.p50 == pytest.approx(10)
    assert series.failure_reasons == {"queue full": 4000}
    assert series.first_messages == {"queue full": "Exceeds maximum queue size"}


def test_what_was_never_sent_is_a_failure_that_waited():
    rows = _rows(*_steady(), (110.0, float("nan"), 119.0, Reason.UNSENT))
    series = series_of(OPEN, "grpc", rows, WINDOW)
    assert (series.unsent, series.failures) == (1, 1)
    assert series.latency.max == pytest.approx(9000)


def test_goodput_leaves_slow_answers_and_failures_out():
    rows = _rows(*_steady(until=110.0), *((t, t, t + 0.2, 0) for t in np.arange(110.0, 115.0, 0.01)))
    series = series_of(CLOSED, "grpc", rows, WINDOW, good_ms=50)
    assert series.goodput == pytest.approx(1000 / 20)


def test_nobody_answering_is_an_error_with_the_reason():
    with pytest.raises(UnavailableError, match=r"2 unreachable.*refused"):
        series_of(
            CLOSED, "grpc", _rows(*[(110.0, 110.0, 110.1, Reason.UNREACHABLE)] * 2), WINDOW,
            messages={"unreachable": "connection refused"},
        )  # fmt: skip


def test_slices_timeline_and_histogram_hold_every_request_once():
    series = series_of(CLOSED, "grpc", _rows(*_steady()), WINDOW)
    assert sum(count for piece in series.slices for _, count in piece.latencies) == series.requests == 2000
    assert sum(count for _, count in series.histogram) == 2000
    assert sum(answers for _, answers, _ in series.timeline) == 1999  # the last answer came after the end
    assert len(series.timeline) == 20


@pytest.mark.parametrize("seed", range(3))
def test_intervals_hold_the_figure(seed):
    rng = np.random.default_rng(seed)
    starts = np.sort(rng.uniform(100, 120, 3000))
    waits = rng.lognormal(-4, 0.5, 3000)
    rows = _rows(*((s, s, s + w, 0) for s, w in zip(starts, waits, strict=True)))
    series = series_of(CLOSED, "grpc", rows, WINDOW)
    for name in ("p50", "p95", "p99", "mean"):
        assert getattr(series.latency_low, name) <= 1.01 * getattr(series.latency, name)
        assert getattr(series.latency_high, name) >= getattr(series.latency, name) / 1.01
    assert series.throughput_interval[0] < series.throughput < series.throughput_interval[1]


def _totals(model, requests, executions, *, version="1", ms=2.0):
    duration = Duration(count=requests, ns=int(requests * ms * 1e6))
    none = Duration(count=0, ns=0)
    return ModelStatistics(
        model=model, version=version, inferences=requests, executions=executions, success=duration, fail=none,
        queue=duration, compute_input=none, compute_infer=duration, compute_output=none, cache_hit=none, cache_miss=none,
    )  # fmt: skip


def test_server_times_are_the_difference_of_two_readings_over_all_versions():
    before = {("m", "1"): _totals("m", 100, 100), ("part", "1"): _totals("part", 50, 50)}
    after = {
        ("m", "1"): _totals("m", 300, 200), ("m", "2"): _totals("m", 100, 100, version="2", ms=8.0),
        ("part", "1"): _totals("part", 50, 50),
    }  # fmt: skip
    model, part = server_times(before, after)
    assert (model.requests, model.executions, model.mean_batch) == (300, 200, 1.5)
    assert model.queue_ms == pytest.approx((200 * 2 + 100 * 8) / 300)
    assert (part.requests, part.mean_batch, part.queue_ms) == (0, 0, 0)


def test_a_reload_between_the_readings_is_said():
    with pytest.raises(ValueError, match="reloaded"):
        server_times({("m", "1"): _totals("m", 100, 100)}, {("m", "1"): _totals("m", 5, 5)})


def test_the_generators_cpu_is_what_its_processes_used_in_the_window():
    pulses = {
        1: np.array([(99, 0, 0), (100, 1, 0), (110, 6, 0.02), (120, 11, 0), (121, 99, 0)], dtype=PULSE),
        2: np.array([(100, 3, 0), (120, 13, 0)], dtype=PULSE),
    }
    use = generator_use(pulses, WINDOW)
    assert use.cpu == pytest.approx(0.5 + 0.5)
    assert use.starved == pytest.approx(1 / 5)


@pytest.mark.parametrize(
    ("plan", "use", "throughput", "limited"),
    [
        (CLOSED, GeneratorUse(cpu=0.5, starved=0.5), 1000, ""),
        (CLOSED, GeneratorUse(cpu=0.95, starved=0.0), 1000, "one core"),
        (CLOSED, GeneratorUse(cpu=0.5, starved=0.0), 4500, "ceiling"),
        (OPEN, GeneratorUse(cpu=0.5, starved=0.2), 1000, "timers"),
    ],
)
def test_the_generator_is_named_where_it_was_the_limit(plan, use, throughput, limited):
    reason = limit_reason(plan, use, throughput, 5000.0)
    assert bool(reason) is bool(limited)
    assert limited in reason
