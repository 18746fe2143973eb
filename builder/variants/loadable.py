"""Whether the target's ONNX Runtime can load a graph at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tritonkit.spec.errors import GateError
from tritonkit.spec.ngc import release

if TYPE_CHECKING:
    import onnx


def check_loadable(model: onnx.ModelProto, target: str, where: str) -> None:
    """Holds opset and IR version against what the release `target` (`YY.MM`) was measured to accept.

    Raises:
        GateError: one of them is too new.
    """
    limits = release(target)
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if opset > limits.opset or model.ir_version > limits.ir_version:
        raise GateError(
            "the target release cannot load the model",
            where=where,
            got=f"opset {opset}, IR version {model.ir_version}",
            expected=f"at most opset {limits.opset}, IR version {limits.ir_version} for Triton {target}",
        )
