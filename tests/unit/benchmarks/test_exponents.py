"""Growth of a figure with a size: exponents and bends of curves that are known."""

from __future__ import annotations

import pytest

from benchmarks.comparisons.exponents import bend, exponent, steps

SIZES = (1, 10, 100, 1000)


@pytest.mark.parametrize("k", [-1.0, 0.0, 0.5, 2.0])
def test_a_power_law_has_its_exponent_everywhere_and_no_bend(k):
    figures = [3 * size**k for size in SIZES]
    assert exponent(SIZES, figures) == pytest.approx(k)
    assert steps(SIZES, figures) == pytest.approx([k] * 3)
    assert bend(SIZES, figures) is None


def test_it_bends_where_a_fixed_cost_gives_way_to_one_by_size():
    assert bend(SIZES, [max(100.0, size) for size in SIZES]) == 100
    assert bend(SIZES[:2], [1, 5]) is None
