"""NVIDIA DALI in the place of the Python step: held to the transform where it is installed, refused where it is not.

DALI is the extra `dali`, of 700 MB, and not part of the set-up: without it the tests that run it say so and are skipped.
"""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import builder.steps
from builder.dali.compare import MEAN_TOLERANCE, TOLERANCE, Difference, hold_to_transform, require_close
from builder.dali.lay import lay_dali
from builder.golden import Golden
from builder.kinds import preprocess_step
from builder.placement import placed_spec, to_pixels
from builder.samples import make_pictures
from tests.candidates import NAME, make_candidate
from tests.toy_classifier import spec_fields
from tritonkit.evaluation.kinds.image import reference_transform
from tritonkit.repository.config import read_config
from tritonkit.spec.errors import ConflictError, GateError, InputError, UnavailableError
from tritonkit.spec.golden import Ask, Expect, GoldenBundle, Question
from tritonkit.spec.model import ModelSpec

try:
    INSTALLED = importlib.util.find_spec("nvidia.dali") is not None
except ModuleNotFoundError:
    INSTALLED = False

needs_dali = pytest.mark.skipif(
    not INSTALLED, reason="NVIDIA DALI was NOT run: it is not installed (pip install -e '.[dali]')"
)


def make_spec(**preprocess) -> ModelSpec:
    fields = spec_fields()
    fields["preprocess"] |= {"resize": 72, "crop": 64} | preprocess
    fields["inputs"][0]["dims"] = [3, 64, 64]
    fields["variants"] = [{"name": "fp32"}, {"name": "pixels", "placement": "graph"}]
    return ModelSpec.model_validate(fields)


def make_golden(spec: ModelSpec, folder: Path, placement: str) -> Golden:
    """What the evaluation's transform makes of a photograph and its awkward relatives."""
    photo = folder / "photo.jpg"
    random = np.random.default_rng(4)
    smooth = Image.fromarray(random.integers(0, 256, (12, 17, 3), dtype=np.uint8)).resize((170, 120), 3)
    smooth.save(photo, quality=92)
    pictures = make_pictures({photo.name: photo})
    rows = []
    for name in pictures:
        (folder / name).write_bytes(pictures[name])
        with Image.open(folder / name) as opened:
            rows.append(reference_transform(opened, spec.preprocess).numpy())
    want = np.stack(rows)
    question = Question(
        level="preprocess",
        model="step",
        samples=tuple(pictures),
        batches=(1,),
        inputs={"image": Ask(files=tuple(pictures))},
        outputs={"pixels": Expect(array="want")},
    )
    return Golden(
        bundle=GoldenBundle(name="toy", variant="fp32", target="26.07", questions=(question,)),
        arrays={"want": want if placement == "step" else to_pixels(want, spec.preprocess)},
        files=pictures,
    )


def write_pipeline(spec: ModelSpec, folder: Path, placement: str, device: str = "cpu") -> dict:
    variant = spec.variants[0 if placement == "step" else 1]
    parameters = dict(preprocess_step(placed_spec(spec, variant)).parameters)
    parameters |= {"device": device, "threads": 1, "batch": 4}
    (folder / "parameters.json").write_text(json.dumps(parameters))
    (folder / "dali.py").write_bytes((Path(builder.steps.__file__).parent / "image_dali.py").read_bytes())
    return parameters


@needs_dali
@pytest.mark.parametrize(
    ("preprocess", "placement"),
    [
        ({"interpolation": "nearest"}, "step"),
        ({"interpolation": "bilinear", "channel_order": "BGR"}, "step"),
        ({"interpolation": "bicubic", "exif_orientation": "apply"}, "graph"),
        ({"interpolation": "lanczos"}, "graph"),
    ],
)
def test_dali_on_the_cpu_equals_the_transform_within_the_stated_pixels(tmp_path, preprocess, placement):
    spec = make_spec(**preprocess)
    golden = make_golden(spec, tmp_path, placement)
    parameters = write_pipeline(spec, tmp_path, placement)
    differences = hold_to_transform(tmp_path, parameters, golden)
    assert {one.picture for one in differences} == set(golden.files)
    require_close(differences, preprocess["interpolation"])


@needs_dali
def test_another_transform_is_told_from_this_one(tmp_path):
    golden = make_golden(make_spec(interpolation="bilinear"), tmp_path, "step")
    parameters = write_pipeline(make_spec(interpolation="bilinear", resize=73), tmp_path, "step")
    with pytest.raises(GateError, match="not those of the transform"):
        require_close(hold_to_transform(tmp_path, parameters, golden), "bilinear")


@needs_dali
def test_bytes_that_are_no_picture_are_named(tmp_path):
    spec = make_spec()
    golden = make_golden(spec, tmp_path, "step")
    broken = Golden(bundle=golden.bundle, arrays=golden.arrays, files=golden.files | {"photo.jpg": b"no picture"})
    differences = hold_to_transform(tmp_path, write_pipeline(spec, tmp_path, "step"), broken)
    with pytest.raises(GateError, match=r"photo\.jpg"):
        require_close(differences, "bilinear")
    assert [one.picture for one in differences if one.problem] == ["photo.jpg"]


@needs_dali
def test_the_repository_has_dali_in_the_steps_place_and_no_proof(tmp_path):
    source = make_candidate(tmp_path / "candidate", 7)
    laid = lay_dali(source, NAME, tmp_path / "node", "cpu", 1)
    config = read_config(laid.repository / laid.part / "config.pbtxt")
    assert config.backend == "dali"
    assert config.input[0].allow_ragged_batch
    ensemble = read_config(laid.repository / NAME / "config.pbtxt")
    assert ensemble.ensemble_scheduling.step[0].model_name == laid.part
    assert ensemble.input[0].data_type == config.input[0].data_type
    assert [file.name for file in (laid.repository / NAME / "1").iterdir()] == ["unproven.txt"]
    assert {one.name for one in laid.repository.iterdir()} >= {laid.part, NAME}
    with pytest.raises(ConflictError, match="there already"):
        lay_dali(source, NAME, tmp_path / "node", "cpu", 1)


@pytest.mark.skipif(INSTALLED, reason="NVIDIA DALI is installed here")
def test_without_dali_it_says_what_to_install_and_writes_nothing(tmp_path):
    source = make_candidate(tmp_path / "candidate", 7)
    with pytest.raises(UnavailableError, match="nvidia-dali-cuda130"):
        lay_dali(source, NAME, tmp_path / "node", "cpu", 1)
    assert not (tmp_path / "node").exists()


def test_transparency_over_a_colour_is_refused(tmp_path):
    source = make_candidate(tmp_path / "candidate", 7)
    (file,) = source.glob(f"{NAME}_preprocess_*/1/parameters.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"alpha": "white"}))
    with pytest.raises(InputError, match="DALI drops transparency"):
        lay_dali(source, NAME, tmp_path / "node", "cpu", 1)


def test_a_refusal_names_picture_figures_and_what_is_allowed():
    assert set(TOLERANCE) == {"nearest", "bilinear", "bicubic", "lanczos"}
    near = Difference(picture="cat.jpg", worst=2.0, mean=0.2)
    require_close([near], "bilinear")
    with pytest.raises(GateError, match=r"cat\.jpg: 2\.0 of 255, 0\.20 in the mean; expected at most 1 of 255"):
        require_close([near], "nearest")
    many = Difference(picture="cat.jpg", worst=2.0, mean=MEAN_TOLERANCE + 0.1)
    with pytest.raises(GateError, match=r"1\.10 in the mean"):
        require_close([many], "bilinear")
