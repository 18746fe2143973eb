"""The steps against the references: written twice, by other means, they must agree."""

import importlib.util
import io
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import builder.steps
from builder.kinds import postprocess_step, preprocess_step
from builder.samples import make_pictures
from tests.toy_classifier import spec_fields
from tritonkit.evaluation.kinds.classification import reference_top_classes
from tritonkit.evaluation.kinds.image import reference_transform
from tritonkit.spec.model import ModelSpec

STEPS = Path(builder.steps.__file__).parent


def _load(kind: str):
    """The step's module. What only a server gives it, `triton_python_backend_utils`, is an empty module here."""
    name = "triton_python_backend_utils"
    saved = sys.modules.get(name)
    sys.modules[name] = types.ModuleType(name)
    try:
        spec = importlib.util.spec_from_file_location(f"step_{kind}", STEPS / f"{kind}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        if saved is None:
            del sys.modules[name]
        else:
            sys.modules[name] = saved


image_step = _load("image_preprocess")
classification_step = _load("classification_postprocess")


def _spec(**preprocess) -> ModelSpec:
    fields = spec_fields()
    crop = preprocess.get("crop", fields["preprocess"]["crop"])
    fields["preprocess"] |= preprocess
    fields["inputs"][0]["dims"] = [3, crop, crop]
    return ModelSpec.model_validate(fields)


def _run_step(data: bytes, spec: ModelSpec) -> np.ndarray:
    parameters = dict(preprocess_step(spec).parameters)
    side = parameters["crop"]
    out = np.empty((3, side, side), np.float32)
    channels = (0, 1, 2) if parameters["channel_order"] == "RGB" else (2, 1, 0)
    pixels = image_step.read_picture(data, parameters)
    image_step.normalise(pixels, image_step.normalisation_table(parameters), channels, out)
    return out


def _png(array: np.ndarray, mode: str | None = None) -> bytes:
    buffer = io.BytesIO()
    picture = Image.fromarray(array)
    (picture.convert(mode) if mode else picture).save(buffer, "PNG")
    return buffer.getvalue()


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    crop=st.integers(1, 32),
    margin=st.integers(0, 9),
    interpolation=st.sampled_from(["nearest", "bilinear", "bicubic", "lanczos"]),
    channel_order=st.sampled_from(["RGB", "BGR"]),
    mode=st.sampled_from([None, "L", "LA", "RGBA", "P", "1"]),
    alpha=st.sampled_from(["drop", "white", "black"]),
    seed=st.integers(0, 9),
)
def test_preprocessing_equals_torchvision_bit_for_bit(
    width, height, crop, margin, interpolation, channel_order, mode, alpha, seed
):
    spec = _spec(crop=crop, resize=crop + margin, interpolation=interpolation, channel_order=channel_order, alpha=alpha)
    data = _png(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8), mode)
    with Image.open(io.BytesIO(data)) as image:
        want = reference_transform(image, spec.preprocess).numpy()
    np.testing.assert_array_equal(_run_step(data, spec), want)


@pytest.mark.parametrize("exif_orientation", ["ignore", "apply"])
@pytest.mark.parametrize("alpha", ["drop", "white"])
def test_awkward_pictures_are_read_as_stated(tmp_path, exif_orientation, alpha):
    photo = tmp_path / "photo.png"
    photo.write_bytes(_png(np.random.default_rng(0).integers(0, 256, (48, 75, 3), dtype=np.uint8)))
    spec = _spec(exif_orientation=exif_orientation, alpha=alpha)
    for name, data in make_pictures({"photo.png": photo}).items():
        with Image.open(io.BytesIO(data)) as image:
            want = reference_transform(image, spec.preprocess).numpy()
        np.testing.assert_array_equal(_run_step(data, spec), want, err_msg=name)


def test_the_exif_choice_makes_a_difference(tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(_png(np.random.default_rng(0).integers(0, 256, (48, 75, 3), dtype=np.uint8)))
    rotated = make_pictures({"photo.png": photo})["edge_exif_rotated.jpg"]
    ignored, applied = (_run_step(rotated, _spec(exif_orientation=choice)) for choice in ("ignore", "apply"))
    assert np.abs(ignored - applied).max() > 0.1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no JPEG or PNG picture"),
        (b"not a picture", "no JPEG or PNG picture"),
        (b"GIF89a" + bytes(40), "no JPEG or PNG picture"),
        (_png(np.random.default_rng(0).integers(0, 256, (30, 30, 3), np.uint8))[:900], "cannot be decoded"),
        (_png(np.zeros((4, 4), np.uint16)), "mode I;16"),
        (_png(np.zeros((200, 300, 3), np.uint8)), "300 x 200 pixels, more than 50000"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(data, message):
    with pytest.raises(image_step.PictureError, match=message):
        _run_step(data, _spec(max_pixels=50_000))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.floats(0.01, 500))
def test_postprocessing_equals_the_reference(seed, rows, scale):
    logits = (np.random.default_rng(seed).standard_normal((rows, 12)) * scale).astype(np.float32)
    labels = [f"class {i}" for i in range(12)]
    want = reference_top_classes(logits, labels, 4)
    ids, scores = classification_step.top_classes(logits, 4)
    np.testing.assert_allclose(scores, want.score, rtol=2e-6, atol=1e-7)
    np.testing.assert_array_equal(ids, want.class_id)
    assert ids.dtype == np.int32
    assert scores.dtype == np.float32


def test_the_steps_import_only_what_they_declare():
    import ast

    modules = {"pillow": "PIL"}
    spec = _spec()
    for step in (preprocess_step(spec), postprocess_step(spec)):
        tree = ast.parse(step.source.read_text())
        imported = {
            (node.module if isinstance(node, ast.ImportFrom) else alias.name).partition(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        allowed = (
            {modules.get(name, name) for name in step.packages}
            | {"triton_python_backend_utils"}
            | sys.stdlib_module_names
        )
        assert imported <= allowed
