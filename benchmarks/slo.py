"""Service level objectives: `p99<50ms,errors<0.1%`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tritonkit.spec.errors import InputError
from tritonkit.spec.reports import ObjectiveTerm, ObjectiveVerdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tritonkit.spec.reports import LoadSeries

_LATENCIES = {"p50": "p50", "p90": "p90", "p95": "p95", "p99": "p99", "p99.9": "p999", "mean": "mean", "max": "max"}
_IN_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_TERM = re.compile(r"(?P<metric>[a-z][a-z0-9.]*)\s*(?P<sign><=|>=|<|>)\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>\S*)")
_FORMS = "terms like p99<50ms, mean<=10ms, errors<0.1%, throughput>200/s, joined by commas"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One demand.

    Attributes:
        text: as it was given.
        metric: a latency of `Latency`, `errors` in percent of requests, or `throughput` in answers a second.
        limit: milliseconds, percent or a second.
        upper: whether the figure must stay below the limit, rather than above.
        inclusive: whether the limit itself is good.
    """

    text: str
    metric: str
    limit: float
    upper: bool
    inclusive: bool

    def met_by(self, got: float) -> bool:
        """Whether `got` satisfies the demand."""
        if got == self.limit:
            return self.inclusive
        return (got < self.limit) == self.upper


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """All demands on a load test; each protocol must meet each of them."""

    text: str
    terms: tuple[Term, ...]

    @property
    def latency_ms(self) -> float | None:
        """The longest latency that an answer may have to count as good; `None` if no term speaks of latency."""
        limits = [term.limit for term in self.terms if term.metric in _LATENCIES.values() and term.upper]
        return max(limits, default=None)


def parse_objective(text: str) -> Objective:
    """The objective that `text` states.

    Raises:
        InputError: a term is no term, or its unit does not fit its metric.
    """
    return Objective(text=text, terms=tuple(_term(part.strip()) for part in text.split(",")))


def _term(text: str) -> Term:
    match = _TERM.fullmatch(text)
    if match is None:
        raise InputError("this is no service level objective", got=repr(text), expected=_FORMS)
    metric, unit, number = match["metric"], match["unit"], float(match["number"])
    upper, inclusive = match["sign"].startswith("<"), match["sign"].endswith("=")
    if metric in _LATENCIES and unit in _IN_MILLISECONDS:
        metric, limit = _LATENCIES[metric], number * _IN_MILLISECONDS[unit]
    elif (metric == "errors" and unit == "%") or (metric == "throughput" and unit in ("", "/s")):
        limit = number
    else:
        raise InputError("this objective is not understood", got=repr(text), expected=_FORMS)
    return Term(text=text, metric=metric, limit=limit, upper=upper, inclusive=inclusive)


def judge(objective: Objective, series: Sequence[LoadSeries]) -> ObjectiveVerdict:
    """Whether every term is met for every protocol; a protocol without requests meets none."""
    terms = tuple(
        ObjectiveTerm(
            term=term.text, protocol=one.protocol, model=one.model, got=got, met=one.requests > 0 and term.met_by(got)
        )
        for term in objective.terms
        for one in series
        for got in [_figure(one, term.metric)]
    )
    return ObjectiveVerdict(objective=objective.text, met=bool(terms) and all(t.met for t in terms), terms=terms)


def _figure(series: LoadSeries, metric: str) -> float:
    if metric == "errors":
        return 100 * series.failures / max(1, series.requests)
    if metric == "throughput":
        return series.throughput
    return float(getattr(series.latency, metric))
