"""TensorRT's engines on a GPU: the same answers as the ONNX file, the node's command, latency and throughput."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from builder.engines.__main__ import main
from builder.golden import Golden, write_golden
from builder.plan import make_plan
from builder.sources.weights import load_network
from builder.tolerances import ARTEFACT
from tests.engines.export_models import EXAMPLE, MODELS, PRECISIONS
from tests.gpu.gpu_engines import BATCH, build, milliseconds, on_cpu, open_engine, pictures
from tritonkit.evaluation.agreement import measure_agreement
from tritonkit.spec.errors import GateError
from tritonkit.spec.golden import Ask, Expect, GoldenBundle, Question

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(1800)]

# Least cosine to what ONNX Runtime computes of the same file on the CPU. FP16 rounds to 11 bits; quantised values may
# fall to the neighbouring step.
LEAST_COSINE = {"fp32": 0.999999, "fp16": 0.9999, "int8": 0.99}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("model", MODELS)
def test_an_engine_answers_as_its_onnx_file(target, real_models, cache, model, precision):
    onnx, images = real_models / f"{model}_{precision}.onnx", pictures(BATCH)
    want = on_cpu(onnx, images)
    allowed = ARTEFACT["fp32"]
    with open_engine(build(cache, onnx, target)) as engine:
        for batch in (1, 7, BATCH):
            got = engine.run({"image": images[:batch]})["logits"]
            agreement = measure_agreement(got, want[:batch], absolute=allowed.absolute, relative=allowed.relative)
            assert agreement.least_cosine >= LEAST_COSINE[precision]
            if precision == "fp32":
                assert agreement.used <= 1


def test_shapes_outside_the_profile_are_refused(target, real_models, cache):
    with (
        open_engine(build(cache, real_models / "resnet18_fp16.onnx", target)) as engine,
        pytest.raises(GateError, match="does not take this shape"),
    ):
        engine.run({"image": pictures(BATCH + 1)})


@pytest.mark.parametrize("wrong", [False, True], ids=["right", "wrong"])
def test_the_node_proves_engines_and_lays_its_repository(target, real_models, cache, tmp_path, capsys, wrong):
    onnx = real_models / "resnet18_fp32.onnx"
    repository = write_repository(tmp_path / "published", onnx, wrong=wrong)
    served = tmp_path / "served"
    arguments = [str(repository), "--out", str(cache), "--serve", str(served), "--require-parity"]
    # TensorRT's own version stands for that of a serving image that this test does not run in.
    code = main([*arguments, "--serving-tensorrt", target.tool.version])
    result = json.loads(capsys.readouterr().out)
    assert code == (1 if wrong else 0), result
    assert {one["parity"] for one in result["engines"]} == {"failed" if wrong else "passed"}
    assert served.exists() is not wrong
    if not wrong:
        assert list(served.glob("*/1/*.plan"))
        assert list(served.glob(f"*/configs/{result['profile']}.pbtxt"))


def write_repository(folder: Path, onnx: Path, *, wrong: bool) -> Path:
    """A model and a golden bundle that asks it; one that no engine can answer if `wrong`."""
    images = pictures(4)
    answers = on_cpu(onnx, images) + (1 if wrong else 0)
    (folder / "resnet18_fp32" / "1").mkdir(parents=True)
    shutil.copyfile(onnx, folder / "resnet18_fp32" / "1" / "model.onnx")
    (folder / "resnet18_fp32" / "config.pbtxt").write_text(
        f'backend: "onnxruntime" max_batch_size: {BATCH}\n'
        'input [ { name: "image", data_type: TYPE_FP32, dims: [3, 224, 224] } ]\n'
        'output [ { name: "logits", data_type: TYPE_FP32, dims: [1000] } ]\n'
    )
    question = Question(
        level="artefact",
        model="resnet18_fp32",
        samples=tuple(f"random {row}" for row in range(len(images))),
        batches=(1, 4),
        inputs={"image": Ask(array="images")},
        outputs={"logits": Expect(array="answers", tolerance=ARTEFACT["fp32"])},
    )
    bundle = GoldenBundle(name="resnet18", variant="fp32", target="26.07", questions=(question,))
    (folder / "resnet18" / "1").mkdir(parents=True)
    golden = Golden(bundle=bundle, arrays={"images": images, "answers": answers}, files={})
    write_golden(folder / "resnet18" / "1" / "golden", golden)
    return folder


def test_latency_and_throughput_by_batch(target, real_models, cache):
    """Each from an array in the host's memory to an array there, side by side in one run."""
    ways = {f"TensorRT {precision}": engine_way(target, real_models, cache, precision) for precision in PRECISIONS}
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        ways["ONNX Runtime CUDA fp32"] = onnxruntime_way(real_models)
    else:
        print("ONNX Runtime on the GPU was not measured: onnxruntime-gpu is not installed")
    if (compiled := torch_way()) is not None:
        ways["torch.compile fp32"] = compiled
    else:
        print("torch.compile was not measured: torch sees no GPU")
    print(f"\nEfficientNet-Lite0 on {target.gpu.name}, {target.tool.title}, driver {target.gpu.driver}")
    for batch in (1, 8, BATCH):
        images = pictures(batch)
        for name, way in ways.items():
            taken = milliseconds(lambda way=way, images=images: way(images))
            print(f"  {name:<24} batch {batch:>2}  {taken:8.2f} ms  {1000 * batch / taken:10.0f} images/s")
            assert taken > 0


def engine_way(target, real_models, cache, precision):
    runner = open_engine(build(cache, real_models / f"efficientnet_lite0_{precision}.onnx", target))
    return lambda images: runner.run({"image": images})["logits"]


def onnxruntime_way(real_models):
    session = onnxruntime.InferenceSession(
        str(real_models / "efficientnet_lite0_fp32.onnx"), providers=["CUDAExecutionProvider"]
    )
    return lambda images: session.run(["logits"], {"image": images})[0]


def torch_way():
    import torch

    if not torch.cuda.is_available():
        return None
    plan = make_plan(EXAMPLE)
    network = torch.compile(load_network(plan.spec.source, plan.weights, EXAMPLE).cuda())

    def run(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(images).cuda()).cpu().numpy()

    return run
