"""A plan -> a report: the generator runs, the server's statistics are read around the same seconds."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
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
from benchmarks.gpu_use import gpu_use, read_gpus
from benchmarks.served_model import read_served_model, read_statistics, requests_of
from benchmarks.slo import judge, parse_objective
from tritonkit.spec.errors import UnavailableError
from tritonkit.spec.reports import LoadReport, ServerMoment, ServerTimes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.generator import Generator
    from benchmarks.gpu_use import GpuSample
    from benchmarks.payloads import EncodedRequest
    from benchmarks.plan import LoadPlan
    from benchmarks.served_model import ServedModel, Statistics

_CEILING_WARMUP_SECONDS = 0.5
_LOOK_SECONDS = 1.0
_MOST_LOOKS = 80


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    """The server's statistics, the machine's CPU seconds and the server's GPUs at one moment of the monotonic clock."""

    at: float
    statistics: Statistics | None
    busy: float
    gpus: GpuSample


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
    models = tuple(read_served_model(plan, name) for name in plan.models)
    requests = requests_of(plan)
    ceiling = measure_ceiling(plan, requests, progress=tell) if plan.ceiling_seconds else None
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    tell("starting the load generator")
    with start_generator(plan, requests) as generator:
        window, accounts = _measure(plan, models, generator, tell)
        rows, pulses, messages = generator.records(), generator.pulses(), generator.messages()
    good_ms = goal.latency_ms if goal else None
    series = tuple(
        figures.series_of(plan, protocol, rows, window, good_ms=good_ms, messages=messages, model=number)
        for number in range(len(plan.models))
        for protocol in plan.users
    )
    use = figures.generator_use(pulses, window)
    reason = figures.limit_reason(plan, use, sum(one.throughput for one in series), ceiling)
    before, after = accounts[0], accounts[-1]
    server, notes = _server_account(before, after)
    return LoadReport(
        model=_title(plan),
        mode=plan.mode,
        offered=_offered(plan),
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
        server_timeline=_server_timeline(accounts, models, window),
        gpus=gpu_use([account.gpus for account in accounts]),
        sequence_length=plan.sequence_length,
        stream=plan.stream,
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
            trace=(),
            sequence_length=0,
            stream=False,
            seconds=plan.ceiling_seconds,
            warmup_seconds=_CEILING_WARMUP_SECONDS,
        )
        with start_generator(trial, requests) as generator:
            generator.wait_ready()
            window = measured_window(trial, generator.begin())
            generator.wait_until(window.end, lambda: None)
            generator.wait_done()
            rows, pulses = generator.records(), generator.pulses()
    answers = len(rows[(rows["done"] >= window.begin) & (rows["done"] < window.end)]) / window.seconds
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
    plan: LoadPlan, models: Sequence[ServedModel], generator: Generator, tell: Callable[[str], None]
) -> tuple[figures.Window, list[_Account]]:
    """Warm-up and measured time; accounts are taken where the measured time begins and ends, and now and then."""
    generator.wait_ready()
    began = generator.begin()
    window = measured_window(plan, began)
    generator.wait_until(window.begin, lambda: tell(f"warming up, {window.begin - time.monotonic():.0f} s left"))
    accounts = [_account(plan, models)]
    between = max(_LOOK_SECONDS, plan.seconds / _MOST_LOOKS)
    already = generator.requests_so_far()

    def watch() -> None:
        elapsed = max(0.25, time.monotonic() - window.begin)
        rate = (generator.requests_so_far() - already) / elapsed
        tell(f"{elapsed:.0f} of {plan.seconds:.0f} s, {rate:.0f} requests/s")
        if between <= time.monotonic() - accounts[-1].at and time.monotonic() < window.end - between / 2:
            accounts.append(_account(plan, models))

    generator.wait_until(window.end, watch)
    accounts.append(_account(plan, models))
    tell("waiting for the last answers")
    generator.wait_done()
    return window, accounts


def measured_window(plan: LoadPlan, began: float) -> figures.Window:
    """The measured time of a run whose warm-up began then, on the monotonic clock."""
    begin = began + plan.warmup_seconds
    return figures.Window(begin=begin, end=begin + plan.seconds)


def _account(plan: LoadPlan, models: Sequence[ServedModel]) -> _Account:
    import psutil  # noqa: PLC0415 - importing benchmarks must stay light

    times = psutil.cpu_times()
    try:
        statistics = read_statistics(plan, models)
    except UnavailableError:
        statistics = None
    return _Account(
        at=time.monotonic(),
        statistics=statistics,
        busy=sum(times) - times.idle - getattr(times, "iowait", 0.0),
        gpus=read_gpus(plan.metrics_url) if plan.metrics_url else {},
    )


def _server_timeline(
    accounts: Sequence[_Account], models: Sequence[ServedModel], window: figures.Window
) -> tuple[ServerMoment, ...]:
    """What the server's statistics grew by between looks; a look at which it did not tell them is left out."""
    told = [account for account in accounts if account.statistics is not None]
    moments = []
    for earlier, later in itertools.pairwise(told):
        with contextlib.suppress(ValueError):  # a model was loaded anew between the two
            times = figures.server_times(earlier.statistics or {}, later.statistics or {})
            moments.append(figures.server_moment(times, models, max(0.0, earlier.at - window.begin)))
    return tuple(moments)


def _title(plan: LoadPlan) -> str:
    total = sum(weight for _, weight in plan.mix)
    return ", ".join(f"{name} {weight / total:.0%}" for name, weight in plan.mix) or plan.model


def _offered(plan: LoadPlan) -> float | None:
    """Arrivals a second that the plan intends; of a sequence, only the first step arrives."""
    if plan.trace:
        return sum(at < plan.seconds for at in plan.trace) / plan.seconds
    return mean_rate(plan.rate, plan.seconds) if plan.rate else None


def _server_account(before: _Account, after: _Account) -> tuple[tuple[ServerTimes, ...], tuple[str, ...]]:
    if before.statistics is None or after.statistics is None:
        return (), ("the server did not tell its statistics around the measured time",)
    try:
        return figures.server_times(before.statistics, after.statistics), ()
    except ValueError as error:
        return (), (f"no server times: {error}",)


def _mean_size(plan: LoadPlan, requests: tuple[EncodedRequest, ...]) -> int:
    return round(sum(len(r.grpc if plan.grpc_url else r.http) for r in requests) / len(requests))
