"""Full precision: the captured graph as it is, once it is known that the target loads it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import onnx

from tritonkit.spec.errors import GateError
from tritonkit.spec.ngc import release

if TYPE_CHECKING:
    from pathlib import Path


def convert(captured: Path, out: Path, target: str) -> None:
    """Writes the variant's `model.onnx`, and its external data where it has some, into `out`.

    Raises:
        GateError: the target's ONNX Runtime does not take the graph's opset or IR version.
    """
    model = onnx.load(captured, load_external_data=False)
    limits = release(target)
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if opset > limits.opset or model.ir_version > limits.ir_version:
        raise GateError(
            "the target release cannot load the model",
            where=captured.name,
            got=f"opset {opset}, IR version {model.ir_version}",
            expected=f"at most opset {limits.opset}, IR version {limits.ir_version} for Triton {target}",
        )
    shutil.copyfile(captured, out / "model.onnx")
    data = captured.with_name("model.onnx.data")
    if data.exists():
        shutil.copyfile(data, out / data.name)
