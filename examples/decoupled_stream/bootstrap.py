"""Bootstrap confidence interval of a mean, streamed: a first interval at once, better ones as more resamples are drawn.

Percentile bootstrap: B. Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 7 (1979).
"""

from collections.abc import Iterator, Mapping

import numpy as np

AT_ONCE = 250
"""Resamples between one answer and the next."""
LEVEL = 0.95


def stream(request: Mapping[str, np.ndarray]) -> Iterator[dict[str, list[float]]]:
    """Interval after interval, each from all the resamples that were drawn so far.

    Args:
        request: `values`, float32 of shape (n,); `resamples`, int32 of shape (1,), how many are drawn in the end;
            `seed`, int64 of shape (1,): the same seed draws the same resamples.

    Raises:
        ValueError: there are no values, or no resamples are asked for.
    """
    values = request["values"].astype(np.float64)
    resamples = int(request["resamples"][0])
    if not len(values) or resamples < 1:
        raise ValueError(f"{len(values)} values and {resamples} resamples have no interval")
    random = np.random.default_rng(int(request["seed"][0]))
    means = np.empty(0)
    while len(means) < resamples:
        count = min(AT_ONCE, resamples - len(means))
        drawn = random.integers(0, len(values), (count, len(values)))
        means = np.concatenate([means, values[drawn].mean(axis=1)])
        low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        yield {"drawn": [len(means)], "low": [low], "high": [high]}
