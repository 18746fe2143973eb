"""The models that real engines are built of, run as a program: python export_models.py FOLDER.

EfficientNet-Lite0 with its published weights, as the example builds it, and ResNet-18 with random ones; each in FP32,
in FP16 (ONNX Runtime's converter) and in INT8 (ONNX Runtime's static quantisation, as TensorRT takes it).
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
import torchvision
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16

from builder.export import export_onnx
from builder.plan import capture_request, make_plan
from builder.sources.weights import load_network

EXAMPLE = Path(__file__).parents[2] / "examples" / "efficientnet_lite0"
MODELS = ("efficientnet_lite0", "resnet18")
PRECISIONS = ("fp32", "fp16", "int8")


class RandomPictures(CalibrationDataReader):
    """Four random pictures: the ranges need not be good ones, but there must be some."""

    def __init__(self) -> None:
        generator = np.random.default_rng(0)
        self.rows = iter([generator.normal(size=(1, 3, 224, 224)).astype(np.float32) for _ in range(4)])

    def get_next(self):
        row = next(self.rows, None)
        return None if row is None else {"image": row}


def export(folder: Path) -> None:
    plan = make_plan(EXAMPLE)
    torch.manual_seed(0)
    networks = {
        "efficientnet_lite0": load_network(plan.spec.source, plan.weights, EXAMPLE),
        "resnet18": torchvision.models.resnet18(weights=None).eval(),
    }
    for name in MODELS:
        model = export_onnx(networks[name], capture_request(plan.spec))
        full = folder / f"{name}_fp32.onnx"
        onnx.save(model, full)
        onnx.save(convert_float_to_float16(model, keep_io_types=True), folder / f"{name}_fp16.onnx")
        quantize_static(
            full,
            folder / f"{name}_int8.onnx",
            RandomPictures(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            # What TensorRT takes: symmetric, and biases as they are.
            extra_options={"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False},
        )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    export(Path(sys.argv[1]))
