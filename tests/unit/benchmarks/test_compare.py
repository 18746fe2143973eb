"""Two load tests: found different when they are, and not when they are not."""

import numpy as np
import pytest

from benchmarks.compare import compare
from benchmarks.figures import Window, series_of
from benchmarks.plan import LoadPlan
from benchmarks.records import RECORD
from tritonkit.spec.errors import InputError
from tritonkit.spec.reports import LoadReport

PLAN = LoadPlan(model="m", grpc_url="grpc://127.0.0.1:1", grpc_users=4)


def _report(seed, *, factor=1.0, tail=1.0, run_noise=0.0, **changes):
    """Four users of a server whose speed wanders by the second (autoregressive), and of run to run."""
    rng = np.random.default_rng(seed)
    mood, moods = 0.0, []
    for _ in range(40):
        mood = 0.8 * mood + rng.normal(0, 0.05)
        moods.append(mood)
    base = 0.020 * factor * np.exp(rng.normal(0, run_noise))
    speeds = base * np.exp(moods)
    rows = []
    for _ in range(4):
        chances = np.exp(rng.normal(0, 0.3, 8000)) * np.where(rng.random(8000) < 0.03, tail, 1.0)
        at = 0.0
        for chance in chances.tolist():
            if at >= 20:
                break
            wait = speeds[int(at * 2)] * chance
            rows.append((at, at, np.nan, at + wait, 1, 0, 0, 0))
            at += wait
    series = series_of(PLAN, "grpc", np.array(rows, dtype=RECORD), Window(begin=0.0, end=20.0))
    fields = {"mode": "closed", "offered": None, "batch": 1, "payload_bytes": 100, "machine": "one", **changes}
    return LoadReport(
        model="m", seconds=20, warmup_seconds=1, series=(series,), server=(), generator_cpu=0.1, cores=2,
        limited_by_generator=False, started_at="", command="", **fields,
    )  # fmt: skip


@pytest.mark.parametrize(("pairs", "alarms"), [(15, 1), pytest.param(200, 10, marks=pytest.mark.slow)])
def test_of_equal_runs_few_are_found_different(pairs, alarms):
    verdicts = [compare([_report(5000 + 2 * i)], [_report(5001 + 2 * i)]).verdict for i in range(pairs)]
    assert pairs - verdicts.count("no difference") <= alarms


@pytest.mark.parametrize(("pairs", "alarms"), [(5, 1), pytest.param(60, 3, marks=pytest.mark.slow)])
def test_of_several_equal_runs_that_differ_by_chance_few_are_found_different(pairs, alarms):
    def runs(first):
        return [_report(first + i, run_noise=0.02) for i in range(5)]

    verdicts = [compare(runs(100 * i), runs(100 * i + 50)).verdict for i in range(pairs)]
    assert pairs - verdicts.count("no difference") <= alarms


@pytest.mark.parametrize(("factor", "verdict"), [(1.25, "slower"), (0.8, "faster")])
def test_a_real_difference_is_found(factor, verdict):
    comparison = compare([_report(i) for i in range(5)], [_report(i, factor=factor) for i in range(5, 10)])
    assert comparison.verdict == verdict
    p50 = next(figure for figure in comparison.figures if figure.figure == "p50")
    assert p50.low < factor < p50.high
    assert p50.ratio == pytest.approx(factor, rel=0.1)
    throughput = next(figure for figure in comparison.figures if figure.figure == "throughput")
    assert throughput.ratio == pytest.approx(1 / factor, rel=0.1)
    assert comparison.notes == ()


def test_a_worse_tail_alone_is_found_in_the_tail():
    verdicts = {f.figure: f.verdict for f in compare([_report(1)], [_report(2, tail=6.0)]).figures}
    assert verdicts["p50"] == "no difference"
    assert verdicts["p99"] == "slower"


def test_a_report_against_itself_is_no_difference():
    comparison = compare([_report(1)], [_report(1)])
    assert comparison.verdict == "no difference"
    assert all(figure.ratio == 1 for figure in comparison.figures)


def test_a_difference_below_the_least_change_does_not_count():
    first, second = [_report(i) for i in range(3)], [_report(i + 10, factor=1.25) for i in range(3)]
    assert compare(first, second, least_change=0.5).verdict == "no difference"


@pytest.mark.parametrize("changes", [{"mode": "open", "offered": 100.0}, {"batch": 4}])
def test_other_questions_cannot_be_compared(changes):
    with pytest.raises(InputError):
        compare([_report(1)], [_report(2, **changes)])


def test_what_weakens_a_verdict_is_said():
    other = _report(2, machine="another", payload_bytes=200)
    notes = " ".join(compare([_report(1)], [other]).notes)
    assert "fewer than three" in notes
    assert "machines" in notes
    assert "size" in notes
