"""Confidence intervals of quantiles and rates, by a bootstrap over slices of time.

Requests that are near in time share their fate: a pause of the server slows all of them. So not single requests are
drawn, but blocks of whole slices (moving block bootstrap: Künsch, "The Jackknife and the Bootstrap for
General Stationary Observations", Annals of Statistics 17, 1989). Within a slice latencies are counted in buckets
that grow by 1 %, which is finer than any difference that a load test can tell.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tritonkit.spec.reports import LoadSlice

    Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
    Integers = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

FIRST_EDGE_MS = 0.01
GROWTH = 1.01
DRAWS = 2000
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}


def bucket_of(milliseconds: Floats) -> Integers:
    """The bucket of each latency: bucket i ends at `FIRST_EDGE_MS * GROWTH**i`."""
    positive = np.maximum(milliseconds, FIRST_EDGE_MS)
    return np.ceil(np.log(positive / FIRST_EDGE_MS) / math.log(GROWTH)).astype(np.int64)


def upper_edge(bucket: Integers) -> Floats:
    """Where buckets end, in milliseconds."""
    return np.asarray(FIRST_EDGE_MS * GROWTH ** bucket.astype(np.float64))


def block_length(slices: Sequence[LoadSlice]) -> int:
    """How many slices in a row share their fate, at most a fifth of all.

    The rule for an autoregressive process of the first order, with the correlation of neighbouring slices' mean
    (logarithmic) latency: Andrews, "Heteroskedasticity and Autocorrelation Consistent Covariance Matrix
    Estimation", Econometrica 59, 1991, equation 6.4. Twice that length: the rule gives the variance its smallest error,
    and so accepts one that is too small on average, which an interval pays for with false alarms.
    """
    means = np.array([_mean_bucket(piece) for piece in slices if piece.latencies])
    deviations = means - means.mean() if len(means) else means
    power = float((deviations**2).sum())
    correlation = 0.0 if power == 0 else float((deviations[1:] * deviations[:-1]).sum()) / power
    correlation = min(max(correlation, 0.0), 0.97)
    alpha = 4 * correlation**2 / (1 - correlation**2) ** 2
    best = 1.1447 * math.cbrt(alpha * len(slices))
    return max(1, min(math.ceil(2 * best), len(slices) // 5))


def _mean_bucket(piece: LoadSlice) -> float:
    return sum(bucket * count for bucket, count in piece.latencies) / sum(count for _, count in piece.latencies)


def draw_weights(slices: int, rng: np.random.Generator, *, length: int, draws: int = DRAWS) -> Floats:
    """How often each slice stands in each resample: shape (draws, slices), every row sums to `slices`.

    Blocks of `length` slices are drawn, around the end to the start.
    """
    blocks = math.ceil(slices / length)
    firsts = rng.integers(0, slices, (draws, blocks))
    drawn = (firsts[:, :, None] + np.arange(length)) % slices
    drawn = drawn.reshape(draws, -1)[:, :slices]
    places = drawn + np.arange(draws)[:, None] * slices
    return np.bincount(places.ravel(), minlength=draws * slices).reshape(draws, slices).astype(np.float64)


def latency_table(slices: Sequence[LoadSlice]) -> tuple[Integers, Floats]:
    """The buckets in use, ascending, and the counts of every slice: shape (slices, buckets)."""
    buckets = sorted({bucket for piece in slices for bucket, _ in piece.latencies})
    column = {bucket: i for i, bucket in enumerate(buckets)}
    # Whole numbers, as floats: numpy multiplies matrices of floats far faster.
    counts = np.zeros((len(slices), len(buckets)))
    for row, piece in enumerate(slices):
        for bucket, count in piece.latencies:
            counts[row, column[bucket]] = count
    return np.array(buckets, dtype=np.int64), counts


def quantiles(buckets: Integers, counts: Floats, levels: Sequence[float]) -> Floats:
    """Quantiles of bucketed latencies in milliseconds: `counts` (draws, buckets) -> (draws, levels).

    A row without counts gives NaN.
    """
    cumulative = counts.cumsum(axis=1)
    totals = cumulative[:, -1:]
    result = np.full((len(counts), len(levels)), np.nan)
    for column, level in enumerate(levels):
        first = np.argmax(cumulative >= np.ceil(level * totals), axis=1)
        result[:, column] = upper_edge(buckets[first])
    result[totals[:, 0] == 0] = np.nan
    return result


def means(buckets: Integers, counts: Floats) -> Floats:
    """Mean latency of each row of `counts`, in milliseconds, from the buckets' geometric middles."""
    middles = upper_edge(buckets) / math.sqrt(GROWTH)
    with np.errstate(invalid="ignore"):
        return np.asarray(counts @ middles / counts.sum(axis=1))


def interval(drawn: Floats) -> tuple[float, float]:
    """The middle 95 % of resampled values."""
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return float(low), float(high)
