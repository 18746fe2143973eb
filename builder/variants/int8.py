"""INT8 by `onnxruntime.quantization`: static with QDQ nodes, per channel; dynamic for transformers.

Two schemes, since ONNX Runtime's CPU kernels and TensorRT want different graphs (`docs/variants.md` has the figures):

* cpu: activations uint8 with a zero point, so that a ReLU vanishes into the range; weights of 7 bits, since without
  VNNI the CPU's 8-bit products are added in saturating 16 bits and the answers would depend on the machine.
* gpu: weights and activations symmetric int8, biases in float, no QDQ pair between a Conv and the ReLU or Add that is
  fused with it: what TensorRT's parser takes and its fusion wants.
"""

from __future__ import annotations

import contextlib
import io
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.calibrate import create_calibrator
from onnxruntime.quantization.quantize import save_tensors_data

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    import numpy as np
    import onnx

    from tritonkit.spec.variants import Calibration

Device = Literal["cpu", "gpu"]

# The operators with weights: where the time goes, and what "a layer" means below.
LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How numbers become integers.

    Attributes:
        activations: their type.
        reduce_range: whether weights have 7 bits.
        operators: what is quantised; none is all that the library knows.
        options: `extra_options` of the library.
    """

    activations: QuantType
    reduce_range: bool
    operators: tuple[str, ...] | None
    options: Mapping[str, Any]


SCHEMES: Mapping[Device, Scheme] = {
    "cpu": Scheme(activations=QuantType.QUInt8, reduce_range=True, operators=None, options={}),
    "gpu": Scheme(
        activations=QuantType.QInt8,
        reduce_range=False,
        operators=tuple(sorted(LAYERS)),
        options={
            "ActivationSymmetric": True,
            "QuantizeBias": False,
            "OpTypesToExcludeOutputQuantization": sorted(LAYERS),
        },
    ),
}
_METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}
# Histograms of this many samples at a time: the library holds every intermediate tensor of a pass in memory.
_ROWS_AT_ONCE = 16


def measure_ranges(
    model: Path, samples: Iterable[Mapping[str, np.ndarray]], calibration: Calibration, ranges: Path
) -> None:
    """Runs `samples` through the FP32 graph and writes the range of each tensor into the file `ranges`.

    Args:
        model: the graph.
        samples: one row each, with its batch dimension, by input name.
        calibration: the method.
        ranges: JSON, as `onnxruntime.quantization` reads it.
    """
    options = {"percentile": calibration.percentile} if calibration.method == "percentile" else {}
    with _silence():
        calibrator = create_calibrator(
            model,
            None,
            augmented_model_path=str(ranges.with_suffix(".augmented.onnx")),
            calibrate_method=_METHODS[calibration.method],
            providers=["CPUExecutionProvider"],
            extra_options=options,
        )
        rows: list[Mapping[str, np.ndarray]] = []
        for row in samples:
            rows.append(row)
            if len(rows) == _ROWS_AT_ONCE:
                calibrator.collect_data(_Reader(iter(rows)))
                rows = []
        if rows:
            calibrator.collect_data(_Reader(iter(rows)))
        save_tensors_data(calibrator.compute_data(), ranges)
    ranges.with_suffix(".augmented.onnx").unlink(missing_ok=True)


class _Reader:
    """What the library calls a data reader."""

    def __init__(self, rows: Iterator[Mapping[str, np.ndarray]]) -> None:
        self._rows = rows

    def get_next(self) -> Mapping[str, np.ndarray] | None:
        """The next row; none at the end."""
        return next(self._rows, None)


def quantise(
    model: Path,
    out: Path,
    *,
    ranges: Path,
    method: str,
    device: Device,
    only: Collection[str] = (),
    keep_float: Collection[str] = (),
) -> None:
    """Writes the static INT8 graph, with QDQ nodes and one scale a channel of each weight.

    Args:
        model: the FP32 graph.
        out: the file to write.
        ranges: what `measure_ranges` wrote.
        method: the method that it was told.
        device: whose scheme.
        only: names of the nodes to quantise; empty for all.
        keep_float: names of the nodes that stay in FP32.
    """
    scheme = SCHEMES[device]
    with _silence():
        quantize_static(
            model,
            out,
            quant_format=QuantFormat.QDQ,
            activation_type=scheme.activations,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=list(scheme.operators) if scheme.operators else None,
            per_channel=True,
            reduce_range=scheme.reduce_range,
            nodes_to_quantize=list(only),
            nodes_to_exclude=list(keep_float),
            calibrate_method=_METHODS[method],
            extra_options=dict(scheme.options),
            calibration_cache_path=ranges,
        )


def quantise_dynamic(model: Path, out: Path, *, keep_float: Collection[str] = ()) -> None:
    """Writes the dynamic INT8 graph: weights of the matrix products are integers, activations become so on the way."""
    with _silence():
        quantize_dynamic(
            model,
            out,
            op_types_to_quantize=["MatMul", "Gemm", "Gather", "Attention"],
            per_channel=True,
            reduce_range=SCHEMES["cpu"].reduce_range,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=list(keep_float),
        )


def layers(model: onnx.ModelProto) -> tuple[onnx.NodeProto, ...]:
    """The nodes with weights of their own, in the order of the graph."""
    weights = {weight.name for weight in model.graph.initializer}
    return tuple(node for node in model.graph.node if node.op_type in LAYERS and len(weights & set(node.input)) > 0)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """The library prints its progress and warns, through the root logger, of steps that were done elsewhere."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)
