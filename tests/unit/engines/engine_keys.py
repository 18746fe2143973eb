"""Keys and records of engines that nobody has built."""

from __future__ import annotations

from typing import Any

from builder.engines.records import EngineKey, EngineRecord

FIELDS: dict[str, Any] = {
    "onnx_sha256": "ab" * 32,
    "compute_capability": "8.6",
    "library": "tensorrt",
    "version": "10.14.1.48",
    "precision": "fp16",
    "profile": {"image": ((1, 3, 8, 8), (4, 3, 8, 8), (8, 3, 8, 8))},
    "settings": {},
}


def key(**changes) -> EngineKey:
    return EngineKey.model_validate(FIELDS | changes)


def record(sha256: str = "0" * 64, **changes) -> EngineRecord:
    return EngineRecord(
        key=key(**changes), sha256=sha256, bytes=3, built_by="a test", seconds=0.1, built_at="2026-01-01T00:00:00+00:00"
    )
