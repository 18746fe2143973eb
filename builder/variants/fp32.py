"""Full precision: the captured graph as it is, once it is known that the target loads it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import onnx

from builder.variants.loadable import check_loadable

if TYPE_CHECKING:
    from pathlib import Path


def convert(captured: Path, out: Path, target: str) -> None:
    """Writes the variant's `model.onnx`, and its external data where it has some, into `out`.

    Raises:
        GateError: the target's ONNX Runtime does not take the graph's opset or IR version.
    """
    check_loadable(onnx.load(captured, load_external_data=False), target, captured.name)
    shutil.copyfile(captured, out / "model.onnx")
    data = captured.with_name("model.onnx.data")
    if data.exists():
        shutil.copyfile(data, out / data.name)
