"""A plan -> a report: the generator runs, the server's statistics are read around the same seconds."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from benchmarks import figures
from benchmarks.arrivals import mean_rate
from benchmarks.generator import start_generator
from benchmarks.payloads import make_requests
from benchmarks.served_model import read_served_model, read_statistics
from benchmarks.slo import judge, parse_objective
from tritonkit.spec.errors import UnavailableError
from tritonkit.spec.reports import LoadReport, ServerTimes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.generator import Generator
    from benchmarks.payloads import EncodedRequest
    from benchmarks.plan import LoadPlan
    from benchmarks.served_model import ServedModel, Statistics

_CEILING_WARMUP_SECONDS = 0.5


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    """The server's statistics and the machine's CPU seconds at one moment."""

    statistics: Statistics | None
    busy: float


def run_load(
    plan: LoadPlan, *, objective: str = "", progress: Callable[[str], None] | None = None, command: str = ""
) -> LoadReport:
    """Runs `plan` against a live server and reports what came of it.

    Args:
        plan: what to do.
        objective: a service level objective (`slo.parse_objective`), judged in the report.
        progress: is told, about four times a second, what is going on, in a few words.
        command: what repeats this test, for the report.

    Raises:
        InputError: the server has no such model, or the files or shapes do not fit it.
        UnavailableError: the server does not answer, or not one request was answered.
        KitError: the generator failed.
    """
    tell = progress or (lambda _: None)
    goal = parse_objective(objective) if objective else None
    model = read_served_model(plan)
    requests = make_requests(model, files=plan.files, shapes=dict(plan.shapes), batch=plan.batch, seed=plan.seed)
    ceiling = measure_ceiling(plan, requests, progress=tell) if plan.ceiling_seconds else None
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    tell("starting the load generator")
    with start_generator(plan, requests) as generator:
        window, before, after = _measure(plan, model, generator, tell)
        rows, pulses, messages = generator.records(), generator.pulses(), generator.messages()
    good_ms = goal.latency_ms if goal else None
    series = tuple(
        figures.series_of(plan, protocol, rows, window, good_ms=good_ms, messages=messages) for protocol in plan.users
    )
    use = figures.generator_use(pulses, window)
    reason = figures.limit_reason(plan, use, sum(one.throughput for one in series), ceiling)
    server, notes = _server_account(before, after)
    return LoadReport(
        model=plan.model,
        mode=plan.mode,
        offered=mean_rate(plan.rate, plan.seconds) if plan.rate else None,
        seconds=plan.seconds,
        warmup_seconds=plan.warmup_seconds,
        series=series,
        server=server,
        generator_cpu=use.cpu,
        cores=os.cpu_count() or 1,
        limited_by_generator=bool(reason),
        started_at=started_at,
        command=command,
        limit_reason=reason,
        processes=plan.processes,
        ceiling=ceiling,
        machine_cpu=(after.busy - before.busy) / window.seconds,
        batch=plan.batch,
        payload_bytes=_mean_size(plan, requests),
        objective=judge(goal, series) if goal else None,
        notes=notes,
        machine=f"{platform.system()} {platform.release()}, {platform.machine()}, {os.cpu_count()} cores",
        tools={
            "python": platform.python_version(),
            **{name: version(name) for name in ("locust", "gevent", "grpcio", "geventhttpclient")},
        },
    )


def measure_ceiling(
    plan: LoadPlan, requests: tuple[EncodedRequest, ...], *, progress: Callable[[str], None] = lambda _: None
) -> float:
    """Answers a second that this generator reaches with these requests against a server that does nothing.

    A closed loop of the plan's users. Where the null server, and not the generator, was the limit, the rate is
    extended to the full core that each generator process can use.
    """
    progress("measuring the generator's own ceiling")
    with null_server() as urls:
        trial = dataclasses.replace(
            plan,
            grpc_url=urls["grpc"] if plan.grpc_url else None,
            http_url=urls["http"] if plan.http_url else None,
            mode="closed",
            rate=None,
            seconds=plan.ceiling_seconds,
            warmup_seconds=_CEILING_WARMUP_SECONDS,
        )
        with start_generator(trial, requests) as generator:
            generator.wait_ready()
            window = measured_window(trial, generator.begin())
            generator.wait_until(window.end, lambda: None)
            generator.wait_done()
            rows, pulses = generator.records(), generator.pulses()
    answers = sum(figures.series_of(trial, protocol, rows, window).throughput for protocol in trial.users)
    cpu = figures.generator_use(pulses, window).cpu
    return answers * max(1.0, plan.processes / cpu) if cpu else answers


@contextlib.contextmanager
def null_server() -> Iterator[dict[str, str]]:
    """The addresses, by protocol, of a server that does nothing; it ends with the block, or with this process."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.null_server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it was opened as a pipe
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def _measure(
    plan: LoadPlan, model: ServedModel, generator: Generator, tell: Callable[[str], None]
) -> tuple[figures.Window, _Account, _Account]:
    """Warm-up and measured time; the accounts are taken where the measured time begins and ends."""
    generator.wait_ready()
    began = generator.begin()
    window = measured_window(plan, began)
    generator.wait_until(window.begin, lambda: tell(f"warming up, {window.begin - time.monotonic():.0f} s left"))
    before = _account(plan, model)
    already = generator.requests_so_far()

    def watch() -> None:
        elapsed = max(0.25, time.monotonic() - window.begin)
        rate = (generator.requests_so_far() - already) / elapsed
        tell(f"{elapsed:.0f} of {plan.seconds:.0f} s, {rate:.0f} requests/s")

    generator.wait_until(window.end, watch)
    after = _account(plan, model)
    tell("waiting for the last answers")
    generator.wait_done()
    return window, before, after


def measured_window(plan: LoadPlan, began: float) -> figures.Window:
    """The measured time of a run whose warm-up began then, on the monotonic clock."""
    begin = began + plan.warmup_seconds
    return figures.Window(begin=begin, end=begin + plan.seconds)


def _account(plan: LoadPlan, model: ServedModel) -> _Account:
    import psutil  # noqa: PLC0415 - importing benchmarks must stay light

    times = psutil.cpu_times()
    try:
        statistics = read_statistics(plan, model)
    except UnavailableError:
        statistics = None
    return _Account(statistics=statistics, busy=sum(times) - times.idle - getattr(times, "iowait", 0.0))


def _server_account(before: _Account, after: _Account) -> tuple[tuple[ServerTimes, ...], tuple[str, ...]]:
    if before.statistics is None or after.statistics is None:
        return (), ("the server did not tell its statistics around the measured time",)
    try:
        return figures.server_times(before.statistics, after.statistics), ()
    except ValueError as error:
        return (), (f"no server times: {error}",)


def _mean_size(plan: LoadPlan, requests: tuple[EncodedRequest, ...]) -> int:
    return round(sum(len(r.grpc if plan.grpc_url else r.http) for r in requests) / len(requests))
