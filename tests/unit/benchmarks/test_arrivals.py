"""When requests are due: rates, spacing, and that sources together make the whole."""

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.arrivals import delayed, intended_starts, mean_rate, parse_rate, scaled
from tritonkit.spec.errors import InputError


def _starts(profile, seconds, *, spacing="even", seed=0, phase=0.0):
    starts = intended_starts(profile, spacing=spacing, rng=random.Random(seed), phase=phase)
    return np.array(list(itertools.takewhile(lambda start: start < seconds, starts)))


def test_even_spacing_of_a_constant_rate_is_even():
    assert _starts(parse_rate("4", 10), 2).tolist() == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]


def test_even_sources_in_phase_are_one_even_source():
    whole = _starts(parse_rate("6", 10), 5)
    parts = [_starts(scaled(parse_rate("6", 10), 1 / 3), 5, phase=i / 3) for i in range(3)]
    assert np.allclose(np.sort(np.concatenate(parts)), whole)


def test_a_ramp_is_as_dense_as_its_rate():
    starts = _starts(parse_rate("10..30", 10), 10)
    assert len(starts) == 200
    assert ((starts < 5).sum(), (starts >= 5).sum()) == (75, 125)


def test_steps_and_a_spike_change_the_rate_where_they_say():
    steps = _starts(parse_rate("10,20,40", 9), 9)
    assert [int(((steps >= a) & (steps < a + 3)).sum()) for a in (0, 3, 6)] == [30, 60, 120]
    spike = _starts(parse_rate("10^50", 10), 10)
    assert [int(((spike >= a) & (spike < b)).sum()) for a, b in ((0, 4), (4, 6), (6, 10))] == [40, 100, 40]


def test_poisson_arrivals_have_the_mean_and_the_spread_of_independent_callers():
    gaps = np.diff(_starts(parse_rate("100", 200), 200, spacing="poisson"))
    assert gaps.mean() == pytest.approx(0.01, rel=0.03)
    assert gaps.std() == pytest.approx(0.01, rel=0.03)


def test_poisson_arrivals_follow_a_ramp():
    starts = _starts(parse_rate("0.001..200", 100), 100, spacing="poisson")
    # Of a ramp from nothing, a quarter comes in the first half.
    assert (starts < 50).mean() == pytest.approx(0.25, abs=0.02)


@given(
    st.lists(st.floats(0.5, 500), min_size=1, max_size=5),
    st.floats(1, 60),
    st.sampled_from(["even", "poisson"]),
)
def test_starts_never_go_back_and_number_what_the_rate_intends(rates, seconds, spacing):
    profile = parse_rate(",".join(map(str, rates)), seconds)
    starts = _starts(profile, seconds, spacing=spacing)
    expected = mean_rate(profile, seconds) * seconds
    assert (np.diff(starts) >= 0).all()
    slack = 1.001 if spacing == "even" else 6 * math.sqrt(expected) + 6
    assert abs(len(starts) - expected) <= slack


def test_a_delayed_profile_holds_its_first_rate_until_then():
    starts = _starts(delayed(parse_rate("10..30", 10), 2), 12)
    assert int((starts < 2).sum()) == 20
    assert len(starts) == 220


@pytest.mark.parametrize("text", ["", "fast", "0", "-5", "5..", "1,,2", "nan", "inf", "1^2^3", "1..2..3"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(InputError):
        parse_rate(text, 10)
