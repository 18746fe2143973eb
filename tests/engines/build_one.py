"""Builds one engine, as a program that tests can run twice or kill: python build_one.py ONNX CACHE."""

from __future__ import annotations

import sys
from pathlib import Path

from builder.engines.build_engine import EngineTarget, build_engine, engine_key
from builder.engines.graph import read_graph
from builder.engines.libraries import find_builder
from builder.engines.profiles import batch_range, make_profile
from builder.engines.records import EngineSettings

if __name__ == "__main__":
    graph = read_graph(Path(sys.argv[1]))
    target = EngineTarget(tool=find_builder("tensorrt_rtx"), compute_capability="8.6")
    key = engine_key(graph, target, make_profile(graph, batch_range(8), {}), EngineSettings())
    engine = build_engine(Path(sys.argv[2]), graph, key, target, tell=lambda line: print(line, flush=True))
    print("cached" if engine.cached else "built", flush=True)
