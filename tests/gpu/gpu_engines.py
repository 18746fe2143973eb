"""What the GPU tests have in common: an engine, its ONNX file's own answers, times."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from builder.engines.build_engine import EngineTarget, build_engine, engine_key
from builder.engines.engine_cache import CachedEngine, read_verified
from builder.engines.graph import read_graph
from builder.engines.profiles import batch_range, make_profile
from builder.engines.records import EngineSettings
from builder.engines.run_engine import EngineRunner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BATCH = 32


def build(cache: Path, onnx: Path, target: EngineTarget) -> CachedEngine:
    graph = read_graph(onnx)
    key = engine_key(graph, target, make_profile(graph, batch_range(BATCH), {}), EngineSettings())
    return build_engine(cache, graph, key, target, tell=print)


def open_engine(engine: CachedEngine) -> EngineRunner:
    return EngineRunner(engine.record.key.library, read_verified(engine))


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, 3, 224, 224)).astype(np.float32)


def on_cpu(onnx: Path, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(onnx), providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"image": images})[0]


def milliseconds(call: Callable[[], object], times: int = 50) -> float:
    """The median over `times` calls, after ten that nobody counts."""
    taken = []
    for _ in range(10 + times):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return 1000 * median(taken[10:])
