"""The verdict over answers."""

import io

import numpy as np
import pytest
from PIL import Image

from builder.golden import firm_ranks
from builder.parity import Asked, compare, compare_pictures
from tritonkit.spec.model import Tolerance

ASKED = Asked(level="served", model="m", output="y", protocol="grpc", batch=1, samples=("first", "second"))
TOLERANCE = Tolerance(absolute=0.1, relative=0, cosine=0.9)
WANT = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)


def test_within_the_tolerance_passes_and_says_how_much_was_used():
    found = compare(ASKED, WANT + np.float32(0.05), WANT, TOLERANCE)
    assert found.passed
    assert found.used == pytest.approx(0.5, rel=1e-4)


def test_beyond_it_the_sample_and_the_element_are_named():
    got = WANT.copy()
    got[1, 0] = 9
    found = compare(ASKED, got, WANT, TOLERANCE)
    assert not found.passed
    assert found.worst_sample == "second"
    assert "second, element [0]: got 9.0, expected 3.0, 60 times the allowance" in found.problem


def test_another_direction_fails_even_within_the_allowance():
    small = np.array([[0.01, 0.0], [1.0, 1.0]])
    turned = np.array([[0.0, 0.01], [1.0, 1.0]])
    found = compare(ASKED, turned, small, TOLERANCE)
    assert not found.passed
    assert "cosine" in found.problem


def test_another_shape_and_not_a_number_fail():
    assert "shape" in compare(ASKED, WANT[:, :1], WANT, TOLERANCE).problem
    got = WANT.copy()
    got[0, 0] = np.nan
    assert "got nan" in compare(ASKED, got, WANT, TOLERANCE).problem


def test_text_is_equal_or_not():
    want = np.array([["a", "b"], ["c", "d"]], object)
    assert compare(ASKED, want.copy(), want, None).passed
    got = want.copy()
    got[0, 1] = "x"
    found = compare(ASKED, got, want, None)
    assert "first, element [1]: got x, expected b" in found.problem
    firm = np.array([[True, False], [True, True]])
    assert compare(ASKED, got, want, None, firm).passed


def test_ranks_that_could_change_places_do_not_bind():
    logits = np.array([[5.0, 4.99, 1.0, 0.0]])
    ids = np.array([[0, 1, 2]])
    assert firm_ranks(logits, ids, Tolerance(absolute=0.1, relative=0)).tolist() == [[False, False, True]]
    assert firm_ranks(logits, ids, Tolerance(absolute=0.001, relative=0)).tolist() == [[True, True, True]]
    # The last rank that is told may change places with the first one that is not.
    assert firm_ranks(logits, ids[:, :1], Tolerance(absolute=0.1, relative=0)).tolist() == [[False]]
    # All classes are told: nothing comes after the last.
    assert firm_ranks(logits[:, :2], ids[:, :2], Tolerance(absolute=0.001, relative=0)).tolist() == [[True, True]]


def test_what_is_not_finite_stays_a_number_in_json():
    from tritonkit.spec.parity import Comparison

    got = WANT.copy()
    got[0, 0] = np.inf
    found = compare(ASKED, got, WANT, TOLERANCE)
    assert Comparison.model_validate_json(found.model_dump_json()) == found
    assert found.worst_absolute > 1e8


def _encoded(level, *, size=(4, 3), mode="L", form="PNG", **options):
    buffer = io.BytesIO()
    Image.new(mode, size, level).save(buffer, form, **options)
    return buffer.getvalue()


def _pictures(*encoded):
    return np.array([[data] for data in encoded], object)


def test_encoded_pictures_are_compared_by_their_pixels():
    want = _pictures(_encoded(10), _encoded(200))
    other_bytes = _pictures(_encoded(11, compress_level=0), _encoded(199, optimize=True))
    found = compare_pictures(ASKED, other_bytes, want, 1)
    assert found.passed
    assert found.worst_absolute == 1
    assert not compare_pictures(ASKED, other_bytes, want, 0).passed


@pytest.mark.parametrize(
    "other",
    [_encoded(14), _encoded(10, size=(3, 4)), _encoded(10, mode="RGB"), _encoded(10)[:50], b"no picture", "text"],
    ids=["darker", "another size", "another mode", "truncated", "no picture", "text"],
)
def test_another_picture_or_none_is_told_from_the_right_one(other):
    found = compare_pictures(ASKED, _pictures(_encoded(10), other), _pictures(_encoded(10), _encoded(10)), 3)
    assert not found.passed
    assert found.worst_sample == "second"


def test_another_count_of_pictures_fails():
    assert "shape" in compare_pictures(ASKED, _pictures(_encoded(10)), _pictures(_encoded(10), _encoded(10)), 1).problem
