"""Batch range and free dimensions -> the shapes of an engine."""

import pytest

from builder.engines.graph import read_graph
from builder.engines.profiles import DimRange, batch_range, make_profile
from tests.engines.small_graphs import relu
from tritonkit.spec.errors import InputError

BIG = DimRange(minimum=32, optimum=64, maximum=128)


def graph(tmp_path, dims):
    return read_graph(relu(tmp_path / "m.onnx", dims=dims))


def test_a_free_batch_goes_from_one_to_the_largest(tmp_path):
    profile = make_profile(graph(tmp_path, ("n", 3, 8, 8)), batch_range(16), {})
    assert profile == {"image": ((1, 3, 8, 8), (16, 3, 8, 8), (16, 3, 8, 8))}


def test_the_optimum_can_be_another_batch(tmp_path):
    profile = make_profile(graph(tmp_path, ("n", 3, 8, 8)), batch_range(16, 4), {})
    assert profile["image"][1] == (4, 3, 8, 8)


@pytest.mark.parametrize("key", ["height", "image.2"])
def test_a_free_dimension_takes_its_range_by_symbol_or_place(tmp_path, key):
    profile = make_profile(graph(tmp_path, ("n", 3, "height", 8)), batch_range(2), {key: BIG})
    assert profile["image"] == ((1, 3, 32, 8), (2, 3, 64, 8), (2, 3, 128, 8))


def test_a_fixed_graph_has_no_profile(tmp_path):
    assert make_profile(graph(tmp_path, (1, 3, 8, 8)), None, {}) == {}


def test_without_batching_the_first_dimension_is_free_like_any_other(tmp_path):
    with pytest.raises(InputError, match=r"dimension 0 of input image.*image\.0="):
        make_profile(graph(tmp_path, ("n", 3, 8, 8)), None, {})
    profile = make_profile(graph(tmp_path, ("n", 3, 8, 8)), None, {"n": BIG})
    assert profile["image"][2] == (128, 3, 8, 8)


def test_a_free_dimension_without_a_range_is_named(tmp_path):
    with pytest.raises(InputError, match=r"dimension 2 of input image.*got height.*image\.2=128,256,512"):
        make_profile(graph(tmp_path, ("n", 3, "height", 8)), batch_range(2), {})


def test_a_range_for_no_dimension_is_an_error_that_lists_those_there_are(tmp_path):
    with pytest.raises(InputError, match=r"got heigth.*expected image\.2"):
        make_profile(graph(tmp_path, ("n", 3, "height", 8)), batch_range(2), {"height": BIG, "heigth": BIG})


def test_a_fixed_batch_cannot_be_served_in_batches(tmp_path):
    with pytest.raises(InputError, match="batch of input image is fixed"):
        make_profile(graph(tmp_path, (1, 3, 8, 8)), batch_range(2), {})


@pytest.mark.parametrize("sizes", [(0, 1, 1), (2, 1, 3), (1, 4, 3)])
def test_sizes_are_in_order(sizes):
    with pytest.raises(InputError, match="minimum <= optimum <= maximum"):
        DimRange(minimum=sizes[0], optimum=sizes[1], maximum=sizes[2])
