"""How much load a live model carries within an objective: rates held one after the other, until one misses it."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import figures
from benchmarks.arrivals import delayed, source_starts
from benchmarks.generator import start_generator
from benchmarks.records import PROTOCOLS, RECORD, Reason
from benchmarks.slo import judge
from tritonkit.spec.errors import UnavailableError
from tritonkit.spec.tuning import RateStep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.arrivals import RateProfile
    from benchmarks.payloads import EncodedRequest
    from benchmarks.plan import LoadPlan
    from benchmarks.slo import Objective
    from tritonkit.spec.reports import LoadSeries

    Rows = np.ndarray[tuple[int], np.dtype[np.void]]

STEP_FACTOR = 1.07
"""Between a rate and the next: less than the noise of short runs would be climbed for nothing."""
_STEPS_AT_ONCE = 6
_MOST_CLIMBS = 4
_SATURATING_USERS = 32
# The generator writes its records down ten times a second.
_FLUSH_SECONDS = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Mountain:
    """What is climbed.

    Attributes:
        plan: model, address, deadline and seed; one protocol.
        requests: what to send.
        objective: what must be met.
        step_seconds: how long each rate is held.
        warmup_seconds: before each climb, at its first rate.
    """

    plan: LoadPlan
    requests: tuple[EncodedRequest, ...]
    objective: Objective
    step_seconds: float
    warmup_seconds: float


def climb_from_below(mountain: Mountain, *, saturation_seconds: float) -> tuple[RateStep, ...]:
    """The rates tried for a model of which nothing is known, ascending, the last one or two missing the objective.

    A closed loop tells first what the model can do at all; the climb begins at about half of that.
    """
    capacity = saturate(mountain, saturation_seconds)
    steps: tuple[RateStep, ...] = ()
    for low, high in ((0.5, 1.0), (0.2, 0.45), (0.05, 0.18)):
        factor = (high / low) ** (1 / (_STEPS_AT_ONCE - 1))
        found = climb(mountain, [capacity * low * factor**i for i in range(_STEPS_AT_ONCE)])
        steps = (*found, *steps)
        if found[0].met:
            break
    if steps[-1].met:
        steps = (*steps, *climb_from(mountain, steps[-1].offered * STEP_FACTOR))
    return steps


def climb_from(mountain: Mountain, rate: float) -> tuple[RateStep, ...]:
    """The rates from `rate` on, up to the first that misses the objective."""
    steps: list[RateStep] = []
    for _ in range(_MOST_CLIMBS):
        steps += climb(mountain, [rate * STEP_FACTOR**i for i in range(_STEPS_AT_ONCE)])
        if not steps[-1].met:
            break
        rate = steps[-1].offered * STEP_FACTOR
    return tuple(steps)


def climb(mountain: Mountain, rates: Sequence[float]) -> tuple[RateStep, ...]:
    """Holds `rates` one after the other, in one open loop, and stops at the first that misses the objective.

    Raises:
        KitError: the generator failed.
    """
    length = mountain.step_seconds
    profile = tuple(point for i, rate in enumerate(rates) for point in ((i * length, rate), ((i + 1) * length, rate)))
    plan = dataclasses.replace(
        mountain.plan,
        mode="open",
        rate=profile,
        seconds=length * len(rates),
        warmup_seconds=mountain.warmup_seconds,
        ceiling_seconds=0.0,
    )
    patience = min(length, (mountain.objective.latency_ms or 0.0) / 1000) + _FLUSH_SECONDS
    steps: list[RateStep] = []
    with start_generator(plan, mountain.requests) as generator:
        generator.wait_ready()
        began = generator.begin()
        for number, rate in enumerate(rates):
            begin = began + plan.warmup_seconds + number * length
            window = figures.Window(begin=begin, end=begin + length)
            generator.wait_until(window.end + patience, lambda: None)
            due = expected(plan, profile, window, began)
            steps.append(judge_step(plan, mountain.objective, rate, generator.records(), due, window))
            if not steps[-1].met:
                break
    return tuple(steps)


def expected(plan: LoadPlan, profile: RateProfile, window: figures.Window, began: float) -> int:
    """How many requests were due in `window` of a run that began then: as many as the generator's arrivals say."""
    sources = sum(plan.users.values())
    count = 0
    for index in range(sources):
        starts = source_starts(
            delayed(profile, plan.warmup_seconds), spacing=plan.spacing, seed=plan.seed, index=index, sources=sources
        )
        before_the_end = itertools.takewhile(lambda start: began + start < window.end, starts)
        count += sum(began + start >= window.begin for start in before_the_end)
    return count


def judge_step(
    plan: LoadPlan, objective: Objective, rate: float, rows: Rows, due: int, window: figures.Window
) -> RateStep:
    """What a rate led to. Requests that were due and have left no record yet count as waiting since they were due."""
    (protocol,) = plan.users
    inside = rows[(rows["intended"] >= window.begin) & (rows["intended"] < window.end)]
    missing = np.zeros(max(0, due - len(inside)), dtype=RECORD)
    missing["intended"] = missing["sent"] = window.begin
    # At least as long as the deadline would let them: nobody knows yet how long it will be.
    missing["done"] = window.begin + plan.deadline_seconds
    missing["protocol"] = PROTOCOLS.index(protocol)
    missing["reason"] = Reason.DEADLINE
    try:
        series = figures.series_of(plan, protocol, np.concatenate([rows, missing]), window)
    except UnavailableError:
        nothing = float(plan.deadline_seconds * 1000)
        return RateStep(offered=rate, answered=0.0, p50=nothing, p95=nothing, p99=nothing, met=False)
    return _step_of(series, objective, rate)


def _step_of(series: LoadSeries, objective: Objective, rate: float) -> RateStep:
    return RateStep(
        offered=rate,
        answered=series.throughput,
        p50=series.latency.p50,
        p95=series.latency.p95,
        p99=series.latency.p99,
        met=judge(objective, [series]).met,
    )


def saturate(mountain: Mountain, seconds: float) -> float:
    """Answers a second with more users than the model can serve at once.

    Raises:
        KitError: the generator failed.
        UnavailableError: not one request was answered.
    """
    (protocol,) = mountain.plan.users
    plan = dataclasses.replace(
        mountain.plan,
        mode="closed",
        rate=None,
        seconds=seconds,
        warmup_seconds=mountain.warmup_seconds,
        grpc_users=_SATURATING_USERS,
        http_users=_SATURATING_USERS,
        ceiling_seconds=0.0,
    )
    with start_generator(plan, mountain.requests) as generator:
        generator.wait_ready()
        began = generator.begin() + plan.warmup_seconds
        window = figures.Window(begin=began, end=began + seconds)
        generator.wait_until(window.end + _FLUSH_SECONDS, lambda: None)
        return figures.series_of(plan, protocol, generator.records(), window).throughput
