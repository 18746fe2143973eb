"""One file a precision: the captured network -> the files that a backend serves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from builder.stages import EXPORT_ERROR, ConvertRequest, ConvertResult
from tritonkit.spec.errors import from_dict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tritonkit.spec.model import Variant
    from tritonkit.spec.verdicts import Optimisation


def convert(request: ConvertRequest, inputs: dict[str, Path], out: Path) -> ConvertResult:
    """Writes the variant's files into `out`, its version folder in a repository.

    Args:
        request: what to make.
        inputs: `captured`, the capture's outputs; `folder`, where model.yaml lies, and what a calibration source
            there is made of as `code/PATH`; for backend python also `weights` and the code as `code/PATH`; of a
            stream its files as `file/model/NAME`.
        out: where to.

    Raises:
        InputError: the network does not export, or is served in torch and comes as ONNX.
        GateError: the target does not load the result.
    """
    optimisation = None
    if request.source.stream is not None:
        from builder import streams  # noqa: PLC0415 - each way in with its own libraries

        streams.convert(request, request.source.stream, inputs, out)
    elif request.variant.backend == "python":
        from builder.variants import in_torch  # noqa: PLC0415 - torch only where it is served

        in_torch.convert(request, inputs, out)
    else:
        error = inputs["captured"] / EXPORT_ERROR
        if error.exists():
            raise from_dict(json.loads(error.read_text()))
        optimisation = _convert_graph(request, inputs, out)
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    return ConvertResult(bytes=size, optimisation=optimisation)


def _convert_graph(request: ConvertRequest, inputs: dict[str, Path], out: Path) -> Optimisation | None:
    optimisation = None
    if request.variant.precision == "fp32" and not request.variant.optimise:
        from builder.variants import fp32  # noqa: PLC0415 - each precision with its own libraries

        fp32.convert(inputs["captured"] / "model.onnx", out, request.target)
    else:
        from builder.variants import reduced  # noqa: PLC0415 - each precision with its own libraries

        optimisation = reduced.convert(request, inputs["captured"], inputs["folder"], out)
    if request.variant.placement == "graph":
        from builder.variants import normalise  # noqa: PLC0415 - as above

        normalise.convert(request, out / "model.onnx")
    return optimisation


def network_packages(variant: Variant) -> Mapping[str, str]:
    """What the network's own part imports, where it is a Python step."""
    return {"numpy": "", "torch": "", "safetensors": ">=0.5"} if variant.backend == "python" else {}
