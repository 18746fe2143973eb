"""Differences of the server's own figures."""

from __future__ import annotations

import pytest

from clients.server_statistics import Duration, model_statistics


def snapshot(count: int, *, model: str = "m") -> object:
    durations = {name: {"count": count, "ns": count * 2_000_000} for name in ("success", "queue", "compute_infer")}
    entry = {
        "name": model,
        "version": "1",
        "inference_count": count * 4,
        "execution_count": count,
        "inference_stats": durations,
    }
    return model_statistics({"model_stats": [entry]})[0]


def test_what_happened_in_between() -> None:
    between = snapshot(15).since(snapshot(10))
    assert (between.inferences, between.executions) == (20, 5)
    assert between.queue == Duration(count=5, ns=10_000_000)
    assert between.queue.mean_ms == 2.0
    assert between.cache_hit.mean_ms == 0.0


def test_snapshots_without_a_difference() -> None:
    with pytest.raises(ValueError, match="no difference"):
        snapshot(1).since(snapshot(1, model="other"))
    with pytest.raises(ValueError, match="reloaded"):
        snapshot(1).since(snapshot(2))
