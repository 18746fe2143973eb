"""One file a precision: the captured network -> the file that a backend serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.stages import ConvertRequest, ConvertResult
from builder.variants import fp32

if TYPE_CHECKING:
    from pathlib import Path

_CONVERT = {"fp32": fp32.convert}


def convert(request: ConvertRequest, inputs: dict[str, Path], out: Path) -> ConvertResult:
    """Writes the variant's `model.onnx` into `out`; `inputs` holds the capture's outputs as `captured`."""
    _CONVERT[request.variant.precision](inputs["captured"] / "model.onnx", out, request.target)
    return ConvertResult(bytes=(out / "model.onnx").stat().st_size)
