"""Figures of merit against scikit-learn's, on answers with ties, missing classes and perfect scores."""

import numpy as np
import pytest
from sklearn import metrics

from tritonkit.evaluation.metrics.calibration import reliability
from tritonkit.evaluation.metrics.confusion import confusion_matrix, f1, precision, recall
from tritonkit.evaluation.metrics.ranking import roc_area, roc_curve
from tritonkit.evaluation.metrics.regression import mean_absolute_error, mean_squared_error, r2

CLASSES = 5


@pytest.fixture(params=range(4))
def labels(request):
    random = np.random.default_rng(request.param)
    truth = random.integers(0, CLASSES, 300)
    chosen = np.where(random.random(300) < 0.7, truth, random.integers(0, CLASSES - 1, 300))
    if request.param == 3:
        truth[truth == 2] = 1  # a class without samples
    return truth, chosen


def test_confusion_precision_recall_and_f1_are_scikit_learns(labels):
    truth, chosen = labels
    confusion = confusion_matrix(truth, chosen, CLASSES)
    names = list(range(CLASSES))
    np.testing.assert_array_equal(confusion, metrics.confusion_matrix(truth, chosen, labels=names))
    expected = metrics.precision_recall_fscore_support(truth, chosen, labels=names, zero_division=0)
    for got, want in zip((precision(confusion), recall(confusion), f1(confusion)), expected[:3], strict=True):
        np.testing.assert_allclose(got, want)


def test_many_tables_at_once_are_each_table_alone(labels):
    one = confusion_matrix(*labels, CLASSES)
    both = np.stack([one, one[::-1]])
    for figure in (precision, recall, f1):
        np.testing.assert_array_equal(figure(both), [figure(one), figure(one[::-1])])


@pytest.mark.parametrize("ties", [False, True])
def test_roc_area_and_curve_are_scikit_learns(ties):
    random = np.random.default_rng(7)
    positive = random.random(400) < 0.2
    scores = random.standard_normal(400) + 1.3 * positive
    scores = np.round(scores, 1) if ties else scores
    area = roc_area(scores, positive)
    assert area.value == pytest.approx(metrics.roc_auc_score(positive, scores))
    assert area.rarer == positive.sum()
    curve = roc_curve(scores, positive)
    false, true, _ = metrics.roc_curve(positive, scores, drop_intermediate=False)
    assert set(map(tuple, curve.tolist())) <= set(zip(false.tolist(), true.tolist(), strict=True))
    assert metrics.auc(*curve.T) == pytest.approx(area.value)
    assert len(curve) < len(false)


def test_the_influences_give_the_variance_that_resampling_finds():
    random = np.random.default_rng(3)
    positive = np.arange(400) < 150
    scores = random.standard_normal(400) + positive
    area = roc_area(scores, positive)
    assert area.influence.sum() == pytest.approx(0, abs=1e-12)
    drawn = [np.concatenate([random.integers(0, 150, 150), random.integers(150, 400, 250)]) for _ in range(800)]
    found = np.std([roc_area(scores[some], positive[some]).value for some in drawn])
    assert np.sqrt(np.square(area.influence).sum()) == pytest.approx(found, rel=0.12)


def test_perfect_and_reversed_scores():
    positive = np.array([False, False, True, True])
    assert roc_area(np.array([1.0, 2, 3, 4]), positive).value == 1
    assert roc_area(np.array([4.0, 3, 2, 1]), positive).value == 0
    assert roc_area(np.ones(4), positive).value == 0.5
    np.testing.assert_array_equal(roc_curve(np.array([1.0, 2, 3, 4]), positive), [[0, 0], [0, 1], [1, 1]])
    np.testing.assert_array_equal(roc_curve(np.ones(4), positive), [[0, 0], [1, 1]])


def test_regression_figures_are_scikit_learns_weighted_or_not():
    random = np.random.default_rng(5)
    truth = random.standard_normal((90, 2)).astype(np.float32)
    answer = truth + random.standard_normal((90, 2)).astype(np.float32) * 0.3
    weights = np.stack([np.ones(90, np.int64), random.integers(0, 4, 90)])
    pairs = (
        (mean_squared_error, metrics.mean_squared_error),
        (mean_absolute_error, metrics.mean_absolute_error),
        (r2, metrics.r2_score),
    )
    for ours, theirs in pairs:
        expected = [theirs(truth, answer, sample_weight=row) for row in weights]
        np.testing.assert_allclose(ours(truth, answer, weights), expected, rtol=1e-5)


def test_reliability_counts_by_confidence():
    found = reliability(np.array([0.05, 0.55, 0.58, 0.95, 1.0]), np.array([False, True, False, True, True]))
    assert found.count.tolist() == [1, 0, 0, 0, 0, 2, 0, 0, 0, 2]
    np.testing.assert_allclose(found.accuracy[[0, 5, 9]], [0, 0.5, 1])
    assert found.error == pytest.approx((0.05 + 2 * 0.065 + 2 * 0.025) / 5)
