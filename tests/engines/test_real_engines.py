"""EfficientNet-Lite0 and ResNet-18 in three precisions for four kinds of GPU, with NVIDIA's own parser and builder."""

import json

import pytest

from builder.engines.build_engine import build_engine
from builder.engines.engine_cache import read_verified
from tests.engines.export_models import MODELS, PRECISIONS

CAPABILITIES = ("8.0", "8.6", "8.9", "12.0")
# In the short run: each model, precision and two generations of GPU, each at least once.
QUICK = {
    ("efficientnet_lite0", "fp32", "8.6"),
    ("efficientnet_lite0", "int8", "8.6"),
    ("resnet18", "fp16", "8.6"),
    ("resnet18", "int8", "12.0"),
}
# Megabytes: weights in their own format, and the kernels that come with them.
SIZES = {"fp32": {"efficientnet_lite0": 18, "resnet18": 46}, "fp16": {"efficientnet_lite0": 9, "resnet18": 23}}


@pytest.mark.timeout(900)  # the first one exports all models
@pytest.mark.parametrize(
    ("model", "precision", "capability"),
    [
        pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow)
        for case in ((m, p, c) for m in MODELS for p in PRECISIONS for c in CAPABILITIES)
    ],
)
def test_a_real_engine_is_built_and_kept(real_models, request_of, tmp_path, model, precision, capability):
    graph, key, target = request_of(real_models / f"{model}_{precision}.onnx", capability, batch=16)
    assert key.precision == precision
    lines = []
    engine = build_engine(tmp_path, graph, key, target, tell=lines.append)
    content = read_verified(engine)
    # What TensorRT-RTX 1.7 begins an engine with.
    assert content[:4] == b"vtrt"
    assert (engine.file.name, len(content)) == ("model.rtx", engine.record.bytes)
    if precision in SIZES:
        assert SIZES[precision][model] < len(content) / 1e6 < 1.4 * SIZES[precision][model]
    assert lines[0] == "building: no engine of this ONNX file yet"
    assert json.loads((engine.file.parent / "engine.json").read_text())["key"]["compute_capability"] == capability
    assert build_engine(tmp_path, graph, key, target).cached


def test_settings_reach_the_builder_and_make_another_engine(real_models, request_of, tmp_path):
    onnx = real_models / "efficientnet_lite0_fp32.onnx"
    settings = {"workspace_bytes": 256 << 20, "optimization_level": 1, "tf32": True}
    plain, tuned = request_of(onnx), request_of(onnx, **settings)
    assert build_engine(tmp_path, *plain).record.sha256 != build_engine(tmp_path, *tuned).record.sha256
