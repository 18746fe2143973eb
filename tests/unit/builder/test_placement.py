"""Normalisation in the graph: the step's pixels and the fused graph together give the evaluation's numbers, bit for bit."""

import importlib.util
import io
import sys
import types
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from PIL import Image

import builder.steps
from builder.kinds import preprocess_step
from builder.placement import from_pixels, placed_spec, to_pixels
from builder.stages import ConvertRequest
from builder.variants.normalise import convert
from tests.toy_classifier import SIDE, spec_fields
from tritonkit.evaluation.kinds.image import reference_transform
from tritonkit.spec.model import ModelSpec


def make_spec(**preprocess) -> ModelSpec:
    fields = spec_fields()
    fields["preprocess"] |= preprocess
    fields["variants"] = [{"name": "fp32"}, {"name": "pixels", "placement": "graph"}]
    return ModelSpec.model_validate(fields)


@pytest.fixture
def step(monkeypatch):
    """The step's module; what only a server gives it is an empty module here."""
    name = "triton_python_backend_utils"
    monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    file = Path(builder.steps.__file__).parent / "image_preprocess.py"
    spec = importlib.util.spec_from_file_location("step_of_placement", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def identity(folder: Path) -> Path:
    shape = ["batch", 3, SIDE, SIDE]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["pixels"], ["same"])],
        "identity",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("same", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"


@pytest.mark.parametrize("channel_order", ["RGB", "BGR"])
def test_step_and_graph_together_give_the_evaluations_numbers(tmp_path, step, channel_order):
    spec = make_spec(channel_order=channel_order)
    variant = spec.variants[1]
    photo = np.random.default_rng(0).integers(0, 256, (48, 75, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "PNG")
    model = step.TritonPythonModel()
    model.parameters = dict(preprocess_step(placed_spec(spec, variant)).parameters)
    pixels = np.empty((1, SIDE, SIDE, 3), np.uint8)
    model.write(step.read_picture(buffer.getvalue(), model.parameters), pixels[0])

    file = identity(tmp_path)
    request = ConvertRequest(
        variant=variant,
        target=spec.target.triton,
        source=spec.source,
        inputs=spec.inputs,
        outputs=spec.outputs,
        batched=True,
        threads=1,
        preprocess=spec.preprocess,
    )
    convert(request, file)
    (got,) = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, {"pixels": pixels})
    np.testing.assert_array_equal(got[0], reference_transform(Image.fromarray(photo), spec.preprocess).numpy())


@pytest.mark.parametrize("channel_order", ["RGB", "BGR"])
def test_every_pixel_comes_back_from_its_normalised_value(channel_order):
    choices = make_spec(channel_order=channel_order).preprocess
    pixels = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None, None, None], (256, 1, 1, 3))
    np.testing.assert_array_equal(to_pixels(from_pixels(pixels, choices), choices), pixels.astype(np.float32))


def test_what_no_pixel_gives_is_left_as_it_is():
    choices = make_spec().preprocess
    between = from_pixels(np.full((1, 1, 1, 3), 100, np.uint8), choices) + np.float32(0.3 / 255 / 0.25)
    found = to_pixels(between, choices)
    assert np.abs(found - np.rint(found)).min() > 0.1


def test_a_tolerance_of_normalised_values_becomes_one_of_pixels():
    spec = make_spec()
    own = {"absolute": 0.01, "relative": 0.0, "reason": "another filter"}
    spec = spec.model_validate(spec.model_dump() | {"gates": {"parity": {"preprocess": own}}})
    assert placed_spec(spec, spec.variants[0]) is spec
    placed = placed_spec(spec, spec.variants[1]).gates.parity.preprocess
    assert placed.absolute == pytest.approx(0.01 * 255 * 0.3)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"preprocess": None, "samples": {"random": 2}, "postprocess": None},
            "placement is for preprocess of kind image",
        ),
        ({"variants": [{"name": "fp32", "placement": "graph", "backend": "python"}]}, "placement graph is for backend"),
    ],
)
def test_a_placement_that_cannot_be_is_refused(changes, said):
    fields = spec_fields() | {"variants": [{"name": "fp32", "placement": "graph"}]} | changes
    with pytest.raises(ValueError, match=said):
        ModelSpec.model_validate(fields)
