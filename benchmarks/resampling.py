"""Confidence intervals of quantiles and rates, by a bootstrap over slices of time.

Requests that are near in time share their fate: a pause of the server slows all of them. So whole slices are drawn,
in runs of several, and not single requests (moving block bootstrap: Künsch, "The Jackknife and the Bootstrap for
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


def draw_weights(slices: int, rng: np.random.Generator, draws: int = DRAWS) -> Integers:
    """How often each slice stands in each resample: shape (draws, slices), every row sums to `slices`.

    Runs of about the cube root of the number of slices are drawn, around the end to the start.
    """
    length = max(1, round(slices ** (1 / 3)))
    runs = math.ceil(slices / length)
    firsts = rng.integers(0, slices, (draws, runs))
    drawn = (firsts[:, :, None] + np.arange(length)) % slices
    drawn = drawn.reshape(draws, -1)[:, :slices]
    weights = np.zeros((draws, slices), dtype=np.int64)
    np.add.at(weights, (np.arange(draws)[:, None], drawn), 1)
    return weights


def latency_table(slices: Sequence[LoadSlice]) -> tuple[Integers, Integers]:
    """The buckets in use, ascending, and the counts of every slice: shape (slices, buckets)."""
    buckets = sorted({bucket for piece in slices for bucket, _ in piece.latencies})
    column = {bucket: i for i, bucket in enumerate(buckets)}
    counts = np.zeros((len(slices), len(buckets)), dtype=np.int64)
    for row, piece in enumerate(slices):
        for bucket, count in piece.latencies:
            counts[row, column[bucket]] = count
    return np.array(buckets, dtype=np.int64), counts


def quantiles(buckets: Integers, counts: Integers, levels: Sequence[float]) -> Floats:
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


def means(buckets: Integers, counts: Integers) -> Floats:
    """Mean latency of each row of `counts`, in milliseconds, from the buckets' geometric middles."""
    middles = upper_edge(buckets) / math.sqrt(GROWTH)
    with np.errstate(invalid="ignore"):
        return np.asarray(counts @ middles / counts.sum(axis=1))


def interval(drawn: Floats) -> tuple[float, float]:
    """The middle 95 % of resampled values."""
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return float(low), float(high)
