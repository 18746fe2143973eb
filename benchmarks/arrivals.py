"""When the requests of an open loop are due: intended starts, decided before any answer is known.

A load is a rate over time, piecewise linear, which covers a constant rate, ramps, steps and spikes alike.
Even spacing puts the k-th start where the rate's integral reaches k; Poisson spacing where it reaches the sum
of k exponential draws, which is a Poisson process of that rate (time-rescaling theorem: Brown et al., "The
Time-Rescaling Theorem and Its Application to Neural Spike Train Data Analysis", Neural Computation 14, 2002).
"""

from __future__ import annotations

import itertools
import math
import random
from typing import TYPE_CHECKING, Literal

from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

RateProfile = tuple[tuple[float, float], ...]
"""Points (second, requests a second), in order of time; linear between them, constant before and after. Two points
at the same second are a step."""

Spacing = Literal["poisson", "even"]

_FORMS = "200 | 50..400 (ramp) | 50,100,200 (equal steps) | 100^400 (100, with a spike to 400)"


def parse_rate(text: str, seconds: float) -> RateProfile:
    """The rate profile that `text` describes, over `seconds`.

    `200` is constant, `50..400` a ramp, `50,100,200` steps of equal length, `100^400` a rate of 100 that jumps to
    400 for the fifth of the time in the middle.

    Raises:
        InputError: `text` has none of these forms, or a rate is not positive.
    """
    try:
        if ".." in text:
            first, last = (float(part) for part in text.split(".."))
            profile: RateProfile = ((0.0, first), (seconds, last))
        elif "^" in text:
            base, peak = (float(part) for part in text.split("^"))
            up, down = 0.4 * seconds, 0.6 * seconds
            profile = ((0.0, base), (up, base), (up, peak), (down, peak), (down, base), (seconds, base))
        else:
            profile = _steps([float(part) for part in text.split(",")], seconds)
    except ValueError:
        raise InputError("this is no rate", got=repr(text), expected=_FORMS) from None
    if not all(math.isfinite(rate) and rate > 0 for _, rate in profile):
        raise InputError("a rate is not positive", got=repr(text), expected="requests a second > 0")
    return profile


def _steps(rates: list[float], seconds: float) -> RateProfile:
    length = seconds / len(rates)
    return tuple(point for i, rate in enumerate(rates) for point in ((i * length, rate), ((i + 1) * length, rate)))


def delayed(profile: RateProfile, seconds: float) -> RateProfile:
    """`profile`, begun `seconds` later; its first rate holds until then."""
    return tuple((at + seconds, rate) for at, rate in profile)


def scaled(profile: RateProfile, share: float) -> RateProfile:
    """`profile` with every rate multiplied by `share`."""
    return tuple((at, rate * share) for at, rate in profile)


def mean_rate(profile: RateProfile, seconds: float) -> float:
    """Requests a second that `profile` intends, on average over the first `seconds`."""
    total = 0.0
    for begin, end, first, last in _segments(profile):
        if begin >= seconds:
            break
        length = min(end, seconds) - begin
        slope = 0.0 if math.isinf(end) else (last - first) / (end - begin)
        total += first * length + slope * length**2 / 2
    return total / seconds


def held_pieces(profile: RateProfile, seconds: float) -> tuple[tuple[float, float], ...]:
    """Begin and end of each piece of the first `seconds` through which `profile` holds one rate."""
    return (
        tuple(
            (begin, min(end, seconds))
            for begin, end, first, last in _segments(profile)
            if first == last and begin < seconds
        )
        if profile
        else ()
    )


def intended_starts(
    profile: RateProfile, *, spacing: Spacing, rng: random.Random, phase: float = 0.0
) -> Iterator[float]:
    """Yields, without end, the seconds at which requests are due.

    Args:
        profile: requests a second.
        spacing: even, or as a Poisson process.
        rng: where the Poisson process draws from.
        phase: even spacing: how far the first start lies within its interval, 0 to 1; sources with phases
            0, 1/n, 2/n... together are one even source.
    """
    due = phase if spacing == "even" else rng.expovariate(1.0)
    for begin, end, first, last in _segments(profile):
        length = end - begin
        expected = math.inf if math.isinf(length) else (first + last) / 2 * length
        slope = 0.0 if math.isinf(length) else (last - first) / length
        while due < expected:
            # Solves first*x + slope*x^2/2 = due, in the form that is stable when slope is 0.
            yield begin + 2 * due / (first + math.sqrt(max(first**2 + 2 * slope * due, 0.0)))
            due += 1.0 if spacing == "even" else rng.expovariate(1.0)
        due -= expected


def source_starts(profile: RateProfile, *, spacing: Spacing, seed: int, index: int, sources: int) -> Iterator[float]:
    """When one of `sources` equal sources must start its requests; together they make up `profile`.

    Who knows the arguments knows the moments: the generator's processes, and whoever wants to tell what is missing.

    Args:
        profile: requests a second, all sources together.
        spacing: even, where each source takes its own phase, or as a Poisson process.
        seed: of the Poisson process; each source draws numbers of its own.
        index: the source's number, from 0.
        sources: how many there are.
    """
    rng = random.Random(f"{seed}/{index}")  # noqa: S311 - arrivals, no secret
    return intended_starts(scaled(profile, 1 / sources), spacing=spacing, rng=rng, phase=index / sources % 1)


def _segments(profile: RateProfile) -> Iterator[tuple[float, float, float, float]]:
    """Begin, end, first and last rate of each linear piece; the last piece has no end."""
    if profile[0][0] > 0:
        yield 0.0, profile[0][0], profile[0][1], profile[0][1]
    for (begin, first), (end, last) in itertools.pairwise(profile):
        if end > begin:
            yield begin, end, first, last
    at, rate = profile[-1]
    yield at, math.inf, rate, rate
