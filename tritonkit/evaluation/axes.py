"""What the charts are laid out on: scales, round ticks, and numbers as people write them."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A quantity from `low` to `high` laid out from `start` to `end`, in the chart's units."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Where `value` lies; what is outside, or no number at all, lies at the nearest edge (NaN at the high one)."""
        if math.isnan(value) or value >= self.high:
            return self.end
        if value <= self.low:
            return self.start
        if self.logarithmic:
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)


def number(value: float, digits: int = 3, *, zeros: bool = False) -> str:
    """`value` with so many significant digits, thousands separated: 0.0123, 4.56, 1,235.

    `zeros` keeps those at the end, for figures that stand above one another.
    """
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    if zeros:
        value = float(f"{value:.{digits - 1}e}")
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text and not zeros else text


def nice_ticks(high: float, *, at_most: int = 5) -> tuple[float, ...]:
    """From 0 to `high` or a little over it, in steps of 1, 2 or 5 times a power of ten."""
    if not math.isfinite(high) or high <= 0:
        return (0.0, 1.0)
    step = _nice_step(high, at_most)
    return tuple(round(step * i, 12) for i in range(math.ceil(round(high / step, 9)) + 1))


def ticks_between(low: float, high: float, *, at_most: int = 5) -> tuple[float, ...]:
    """From `low` or a little under it to `high` or a little over it, in the same steps; both finite."""
    step = _nice_step(high - low if high > low else 1.0, at_most)
    first, last = math.floor(round(low / step, 9)), math.ceil(round(high / step, 9))
    return tuple(round(step * i, 12) for i in range(first, max(last, first + 1) + 1))


def _nice_step(span: float, at_most: int) -> float:
    power: float = 10.0 ** math.floor(math.log10(span / at_most))
    return next(power * factor for factor in (1, 2, 5, 10, 20) if power * factor * at_most >= span)


def log_ticks(low: float, high: float) -> tuple[float, ...]:
    """The 1-2-5 steps of a logarithmic axis around `low` to `high`, both above 0."""
    steps = [
        factor * 10.0**power
        for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for factor in (1, 2, 5)
    ]
    first = max(i for i, step in enumerate(steps) if step <= low * (1 + 1e-9))
    last = min(i for i, step in enumerate(steps) if step >= high * (1 - 1e-9))
    return tuple(steps[first : max(last, first + 1) + 1])


def thinned(ticks: tuple[float, ...]) -> tuple[float, ...]:
    """At most seven of `ticks`; of a logarithmic axis' 1-2-5 steps, the powers of ten."""
    if len(ticks) <= 7:
        return ticks
    return tuple(tick for tick in ticks if math.isclose(math.log10(tick) % 1, 0, abs_tol=1e-9)) if ticks[0] else ticks


def share(used: float) -> str:
    """A part of a tolerance as people say it: 0.31 %, 87 %, 14 times."""
    if math.isnan(used):
        return "not a number"
    if used > 1:
        return f"{number(used)}\N{MULTIPLICATION SIGN}" if used < 1e6 else "over 1,000,000\N{MULTIPLICATION SIGN}"
    if used == 0:
        return "0 %"
    return f"{number(100 * used, 2)} %" if used >= 1e-6 else "< 0.0001 %"
