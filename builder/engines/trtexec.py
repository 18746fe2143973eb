"""trtexec, NVIDIA's program: builds an engine where the image has it and not the Python module."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from builder.engines.profiles import Shape
    from builder.engines.records import EngineKey


def trtexec_command(program: Path, key: EngineKey, onnx: Path, engine: Path, timing: Path) -> list[str]:
    """The command that builds what `compile_engine` would build.

    Args:
        program: trtexec.
        key: what to build.
        onnx: the ONNX file.
        engine: where the engine goes.
        timing: the timing cache, read if it is there and written.
    """
    settings = key.settings
    command = [
        str(program),
        f"--onnx={onnx}",
        f"--saveEngine={engine}",
        f"--timingCacheFile={timing}",
        f"--builderOptimizationLevel={settings.optimization_level}",
        "--stronglyTyped",
        "--skipInference",
    ]
    if not settings.tf32:
        command.append("--noTF32")
    if settings.workspace_bytes is not None:
        command.append(f"--memPoolSize=workspace:{settings.workspace_bytes}B")
    for position, flag in enumerate(("--minShapes", "--optShapes", "--maxShapes")):
        if key.profile:
            shapes = (f"{name}:{_text(shapes[position])}" for name, shapes in key.profile.items())
            command.append(f"{flag}={','.join(shapes)}")
    return command


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape))
