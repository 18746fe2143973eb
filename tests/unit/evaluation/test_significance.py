"""Intervals: those that books print, and those that hold the truth as often as they say."""

import numpy as np
import pytest

from tritonkit.evaluation import significance
from tritonkit.evaluation.metrics.confusion import recall
from tritonkit.evaluation.metrics.ranking import roc_area
from tritonkit.evaluation.metrics.regression import mean_squared_error
from tritonkit.evaluation.significance import logit_interval, percentile_interval, resample, wilson_interval


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998), table I.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval(successes, trials, low, high):
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-5)
    mirrored = wilson_interval(trials - successes, trials)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=5e-5)


def test_without_a_trial_anything_is_possible():
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_the_interval_of_an_area_holds_the_truth_as_often_as_it_says():
    random = np.random.default_rng(1)
    truth = 0.9213503964748575  # two normal distributions, two standard deviations apart: Phi(2 / sqrt 2)
    positive, held = np.arange(120) < 40, 0
    for _ in range(600):
        area = roc_area(random.standard_normal(120) + 2.0 * positive, positive)
        low, high = logit_interval(area.value, float(np.square(area.influence).sum()))
        held += low <= truth <= high
    assert 0.925 <= held / 600 <= 0.975


def test_the_bootstrap_of_a_table_holds_the_truth_as_often_as_it_says():
    random = np.random.default_rng(2)
    cells = np.array([[0.36, 0.04], [0.12, 0.48]])
    truth, held = recall(cells).mean(), 0
    for _ in range(200):
        table = random.multinomial(250, cells.ravel()).reshape(2, 2)
        low, high = percentile_interval(resample(table, lambda tables: recall(tables).mean(axis=-1)))
        held += low <= truth <= high
    assert 0.90 <= held / 200 <= 0.985


def test_resampling_in_pieces_draws_the_same(monkeypatch):
    table = np.array([[30, 4], [9, 57]])
    whole = resample(table, recall)
    monkeypatch.setattr(significance, "_NUMBERS_AT_ONCE", 4 * 7)
    np.testing.assert_array_equal(resample(table, recall), whole)
    assert whole.shape == (significance.RESAMPLES, 2)


def test_the_bootstrap_of_a_mean_has_the_spread_that_theory_gives():
    random = np.random.default_rng(4)
    truth, answer = np.zeros(200), random.standard_normal(200)
    replicates = resample(np.ones(200, np.int64), lambda weights: mean_squared_error(truth, answer, weights))
    assert replicates.std() == pytest.approx(np.std(answer**2) / np.sqrt(200), rel=0.06)
