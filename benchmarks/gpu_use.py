"""Triton's metrics -> how busy its GPUs are."""

from __future__ import annotations

import re
import statistics
import urllib.request
from typing import TYPE_CHECKING

from tritonkit.spec.reports import GpuUse

if TYPE_CHECKING:
    from collections.abc import Sequence

GpuSample = dict[str, tuple[float, float]]
"""Utilisation from 0 to 1 and memory in bytes, by the GPU's UUID."""

_LINE = re.compile(r'^nv_gpu_(utilization|memory_used_bytes)\{[^}]*gpu_uuid="([^"]+)"[^}]*\}\s+(\S+)', re.MULTILINE)
_TIMEOUT_SECONDS = 2.0


def read_gpus(url: str) -> GpuSample:
    """One look at the metrics; nothing where they do not answer, or know of no GPU."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - checked to be http
            return parse_gpus(answer.read().decode(errors="replace"))
    except OSError:
        return {}


def parse_gpus(text: str) -> GpuSample:
    """What a page of Prometheus text says of GPUs."""
    found: dict[str, dict[str, float]] = {}
    for metric, gpu, value in _LINE.findall(text):
        found.setdefault(gpu, {})[metric] = float(value)
    return {gpu: (one.get("utilization", 0.0), one.get("memory_used_bytes", 0.0)) for gpu, one in found.items()}


def gpu_use(samples: Sequence[GpuSample]) -> tuple[GpuUse, ...]:
    """The use of each GPU over several looks."""
    gpus = sorted({gpu for sample in samples for gpu in sample})
    return tuple(
        GpuUse(
            gpu=gpu,
            utilisation=statistics.fmean(sample[gpu][0] for sample in samples if gpu in sample),
            memory_bytes=max(sample[gpu][1] for sample in samples if gpu in sample),
        )
        for gpu in gpus
    )
