"""A toy built in every precision, each through the whole proof, each with a verdict."""

import json
from pathlib import Path

import onnx
import pytest

from builder.build import build
from tests.toy_classifier import NETWORK, write_toy
from tritonkit.repository.config import read_config

SAMPLES = '''

def noise():
    import numpy as np
    from PIL import Image
    random = np.random.default_rng(5)
    while True:
        yield Image.fromarray(random.integers(0, 255, (24, 24, 3), dtype=np.uint8))


def too_few():
    from itertools import islice
    return islice(noise(), 20)


def labelled():
    """Noise, labelled by the network itself: full precision is right throughout."""
    from pathlib import Path
    import numpy as np
    from PIL import Image
    from tritonkit.evaluation.datasets.dataset import DataSet, Split
    pictures = np.random.default_rng(7).integers(0, 255, (400, 24, 24, 3), dtype=np.uint8)
    network = toy()
    network.load_state_dict(torch.load(Path(__file__).with_name("toy.pt"), weights_only=True))
    with torch.no_grad():
        answers = network.eval()(torch.stack([transform(Image.fromarray(picture)) for picture in pictures]))
    split = Split(samples=pictures, targets=answers.argmax(1).numpy())
    return DataSet(name="labelled noise", training=split, test=split, classes=tuple("abcdef"))
'''
CALIBRATION = {"name": "noise", "source": "network:noise", "held_out": 50, "method": "minmax"}
# The toy's answers are about 1; its six classes lie close together, and a small toy is not faster for being narrow.
WIDE = {"absolute": 0.5, "relative": 0.5, "cosine": 0.9, "reason": "a toy with small logits"}
VARIANTS = [
    {"name": "fp32"},
    {"name": "clean", "optimise": True, "placement": "graph"},
    {"name": "fp16", "precision": "fp16", "device": "gpu"},
    {"name": "int8", "precision": "int8", "calibration": CALIBRATION, "tolerance": WIDE},
    {"name": "starved", "precision": "int8", "calibration": CALIBRATION | {"source": "network:too_few"}},
]


@pytest.fixture(scope="module")
def candidate(tmp_path_factory, session_cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITONKIT_CACHE", str(session_cache))
        folder = write_toy(
            tmp_path_factory.mktemp("variants") / "toy",
            network=NETWORK + SAMPLES,
            variants=VARIANTS,
            gates={
                "accuracy": {"min_agreement": 0.6, "max_drop_points": 0.5, "data": {"source": "network:labelled"}},
                "skew": {"source": "network:labelled", "samples": 64},
            },
        )
        out = folder.parent / "out"
        return build(folder, out), out


@pytest.mark.server
@pytest.mark.timeout(1200)
def test_each_variant_goes_through_the_proof_and_gets_a_verdict(candidate):
    report, out = candidate
    results = {one.name: one for one in report.variants}
    for name in ("fp32", "clean", "fp16", "int8"):
        assert results[name].artefact.passed, name
        assert results[name].served.passed, name
    assert results["fp32"].verdict.accepted, "it is what the others are held against"
    assert results["fp16"].refused is None
    assert results["fp16"].verdict.reasons == ("speed not judged here: a GPU",)
    for name in ("clean", "int8"):
        timings = results[name].verdict.figures.timings
        assert [timing.batch for timing in timings] == [1, 4]
        assert all(timing.low <= timing.ratio <= timing.high for timing in timings)
        # Whether so small a network is slower is the machine's to say: verdict and refusal must only say the same.
        assert results[name].verdict.accepted == (results[name].refused is None)
    for name in ("fp32", "clean", "fp16", "int8"):
        figure = results[name].verdict.figures.accuracy
        assert (figure.samples, figure.source) == (400, "labelled noise, the whole test split")
        assert figure.low <= figure.drop_points <= figure.high, name
        assert results[name].accuracy_drop_points == figure.drop_points
    assert results["fp32"].verdict.figures.accuracy.accuracy == 1.0
    assert results["clean"].accuracy_drop_points == 0.0
    done = results["int8"].optimisation
    assert done.calibration == "500 samples of noise, minmax"
    assert {layer.operator for layer in done.layers} == {"Conv", "Gemm"}
    assert done.mixed[-1].agreement >= 0.6
    assert done.agreement >= 0.6
    # So few numbers in 7 bits take another class four times in 400.
    assert results["int8"].accuracy_drop_points > 0.5
    assert "below 100.00 % of fp32; at most 0.5 are allowed" in results["int8"].refused
    assert "ends too soon" in results["starved"].refused
    assert json.loads((out / "build.json").read_text())["variants"][3]["optimisation"]["mixed"]


@pytest.mark.server
@pytest.mark.timeout(1200)
def test_pixels_pass_where_the_graph_normalises(candidate):
    report, _ = candidate
    clean = next(one for one in report.variants if one.name == "clean")
    asked = {(one.level, one.protocol): one for one in clean.served.comparisons if one.output in ("pixels", "logits")}
    for protocol in ("grpc", "http"):
        assert asked["preprocess", protocol].worst_absolute == 0, "uint8 is exact or wrong"
        assert asked["end_to_end", protocol].passed
    staged = next(Path(run.folder) for run in report.stages if run.name == "assemble" and "toy_clean" in run.summary)
    network = next((staged / "out" / "repository").glob("toy_clean_*")) / "config.pbtxt"
    config = read_config(network)
    assert "TYPE_UINT8" in network.read_text()
    assert list(config.input[0].dims) == [16, 16, 3]
    assert len(config.model_warmup) == 2


@pytest.mark.server
@pytest.mark.timeout(1200)
def test_the_served_preprocessing_is_the_transform_on_many_pictures(candidate):
    report, out = candidate
    skew = report.skew
    assert (skew.samples, skew.data, skew.variant) == (64, "labelled noise, 64 drawn from the test split", "fp32")
    assert skew.passed()
    assert skew.top1_changes == 0
    assert len(skew.worst) == 3
    for sample in skew.worst:
        assert sample.name.startswith("test sample ")
        assert all((out / "skew" / name).is_file() for name in (sample.source, sample.served, sample.difference))
    assert next(run for run in report.stages if run.name == "skew").summary.startswith("64 pictures, ")


@pytest.mark.server
@pytest.mark.timeout(1200)
def test_only_the_variant_that_is_served_is_in_the_repository(candidate):
    _, out = candidate
    networks = [file.parent.parent.name for file in (out / "repository").glob("*/1/model.onnx")]
    assert [name.rpartition("_")[0] for name in networks] == ["toy_fp32"]
    file = next((out / "repository").glob("*/1/model.onnx"))
    assert all(w.data_type != onnx.TensorProto.INT8 for w in onnx.load(file).graph.initializer)
