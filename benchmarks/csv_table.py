"""A load report -> one CSV table over time, for spreadsheets and notebooks."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import resampling

if TYPE_CHECKING:
    from tritonkit.spec.reports import LoadReport, LoadSlice

COLUMNS = ("protocol", "model", "second", "answers", "failures", "p50_ms", "p90_ms", "p95_ms", "p99_ms")
_LEVELS = (0.5, 0.9, 0.95, 0.99)


def csv_table(report: LoadReport) -> str:
    """A line for each slice of the measured time and series; quantiles to 1 %, empty where nothing was due."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for series in report.series:
        for piece in series.slices:
            facts = (series.protocol, series.model or report.model, f"{piece.begin:.3f}", piece.answers, piece.failures)
            writer.writerow((*facts, *_quantiles(piece)))
    return text.getvalue()


def _quantiles(piece: LoadSlice) -> list[str]:
    if not piece.latencies:
        return [""] * len(_LEVELS)
    buckets, counts = resampling.latency_table([piece])
    (values,) = resampling.quantiles(buckets, np.asarray(counts), _LEVELS)
    return [f"{value:.3f}" for value in values]
