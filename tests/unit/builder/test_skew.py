"""Training-versus-serving skew: what counts as a difference, which samples are the worst, what is refused."""

import io

import numpy as np
import pytest
from PIL import Image

from builder.placement import from_pixels
from builder.skew.gate import require_little_skew
from builder.skew.measure import AMPLIFICATION, compare_rows, make_report, spread
from builder.skew.samples import encoded_picture, read_pictures
from builder.stages import SkewRequest
from tests.toy_classifier import SIDE, spec_fields
from tritonkit.spec.errors import GateError, InputError
from tritonkit.spec.gates import SkewGate
from tritonkit.spec.model import ModelSpec

SOURCE = {"source": "network:pictures"}


def skew_request(variant=0, **gate) -> SkewRequest:
    fields = spec_fields() | {"variants": [{"name": "fp32"}, {"name": "pixels", "placement": "graph"}]}
    spec = ModelSpec.model_validate(fields | {"gates": {"skew": SOURCE | gate}})
    return SkewRequest(
        gate=spec.gates.skew,
        variant=spec.variants[variant],
        source=spec.source,
        inputs=spec.inputs,
        outputs=spec.outputs,
        preprocess=spec.preprocess,
        batched=True,
        part="toy_preprocess",
        target=spec.target.triton,
        requirements=(),
    )


def mean_of_channels(feed):
    """A network of a kind: two scores, the means of the first and the last channel."""
    (tensor,) = feed.values()
    rows = tensor.astype(np.float64)
    rows = rows if rows.shape[1] == 3 else rows.transpose(0, 3, 1, 2)
    return {"logits": rows[:, [0, 2]].mean(axis=(2, 3))}


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(0, 255, (5, SIDE, SIDE, 3), np.uint8)


def reported(pictures, served, request, folder):
    source = from_pixels(pictures, request.preprocess)
    rows = compare_rows([f"picture {i}" for i in range(len(pictures))], source, served, request, mean_of_channels)
    return make_report(rows, request, folder / "skew", data="noise", server="none")


def test_a_step_of_a_pixel_is_one_whatever_the_channels_std(pictures, tmp_path):
    request = skew_request()
    off = pictures.copy()
    off[2, 4, 5, 1] += 1
    report = reported(pictures, from_pixels(off, request.preprocess), request, tmp_path)
    assert (report.samples, report.equal) == (5, 4)
    assert report.pixel.max == pytest.approx(1, abs=1e-3)
    assert report.worst[0].name == "picture 2"
    assert (report.pixel.median, len(report.worst)) == (0, 3)
    drawn = {what: np.asarray(Image.open(tmp_path / "skew" / getattr(report.worst[0], what))) for what in
             ("source", "served", "difference")}  # fmt: skip
    assert np.array_equal(drawn["source"], pictures[2])
    assert np.array_equal(drawn["served"], off[2])
    assert drawn["difference"][4, 5].tolist() == [0, AMPLIFICATION, 0]
    with pytest.raises(GateError, match=r"picture 2.*a pixel 1 of 255 off.*at most 0.01 of 255") as raised:
        require_little_skew(report, tmp_path)
    assert str(tmp_path) in str(raised.value)


def test_what_is_equal_passes_and_the_rounding_of_a_division_does_too(pictures, tmp_path):
    request = skew_request()
    tensor = from_pixels(pictures, request.preprocess)
    for served in (tensor, np.nextafter(tensor, np.float32(9))):
        report = reported(pictures, served, request, tmp_path)
        require_little_skew(report, tmp_path)
        assert report.top1_changes == 0


def test_crossed_channels_change_classes(pictures, tmp_path):
    request = skew_request()
    report = reported(pictures, from_pixels(pictures, request.preprocess)[:, ::-1], request, tmp_path)
    assert report.top1_changes == 5
    assert not report.passed()


def test_pixels_are_compared_where_the_graph_normalises(pictures, tmp_path):
    request = skew_request(variant=1)
    assert reported(pictures, pictures, request, tmp_path).equal == 5
    off = pictures.copy()
    off[0, 0, 0, 0] += 2
    assert reported(pictures, off, request, tmp_path).pixel.max == 2


def test_no_number_is_no_small_difference(pictures, tmp_path):
    request = skew_request()
    served = from_pixels(pictures, request.preprocess)
    served[1, 0, 0, 0] = np.nan
    report = reported(pictures, served, request, tmp_path)
    assert not report.passed()
    assert type(report).model_validate_json(report.model_dump_json()) == report


def test_the_percentile_is_a_figure_that_was_measured():
    found = spread([0.0] * 98 + [1.0, 5.0])
    assert (found.median, found.p99, found.max) == (0, 1, 5)


SAMPLES = """
import numpy as np

def pictures():
    for index in range(3):
        yield f"grey {index}", np.full((4, 5), index, np.uint8)

def unnamed():
    yield np.zeros((4, 5), np.uint8)

def nothing():
    return 3
"""


def read(folder, source, samples):
    told, pictures = read_pictures(SkewGate(source=f"skew_samples:{source}", samples=samples), folder)
    return told, list(pictures)


def test_pictures_are_read_by_name_and_sent_as_they_are(tmp_path):
    (tmp_path / "skew_samples.py").write_text(SAMPLES)
    told, pictures = read(tmp_path, "pictures", 2)
    assert (told, [name for name, _ in pictures]) == ("skew_samples:pictures", ["grey 0", "grey 1"])
    assert np.asarray(Image.open(io.BytesIO(pictures[1][1]))).tolist() == [[1] * 5] * 4
    assert encoded_picture(b"of a camera", "here") == b"of a camera"
    for source, samples, said in (
        ("pictures", 4, r"ends too soon.*got 3 pictures.*expected 4"),
        ("unnamed", 1, "no pair of a name and a picture"),
        ("nothing", 1, "returns no pictures"),
    ):
        with pytest.raises(InputError, match=said):
            read(tmp_path, source, samples)
    with pytest.raises(InputError, match=r"no picture.*float64, shape \[2, 2\]"):
        encoded_picture(np.zeros((2, 2)), "here")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gates": {"skew": SOURCE | {"max_pixel_difference": 2}}}, "needs its `reason`"),
        ({"source": {"factory": "network:toy", "weights": "toy.pt"}}, "transform, which is missing"),
        ({"preprocess": None, "samples": {}}, "for preprocess of kind image"),
    ],
)
def test_a_gate_that_cannot_be_kept_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        ModelSpec.model_validate(spec_fields() | {"gates": {"skew": SOURCE}} | changes)
