"""What a variant costs in right answers: paired by sample, with an interval that holds what is true."""

import numpy as np
import pytest

from builder.stages import AccuracyResult
from builder.variants.accuracy import RIGHT, compare_accuracy, paired_drop
from tests.toy_classifier import spec_fields
from tritonkit.spec.model import ModelSpec


def test_the_interval_is_agresti_and_mins():
    # Their formula by hand: lost 30, won 10, of 1,000: (30 - 10) / 1002 and its standard error.
    drop, low, high = paired_drop(lost=30, won=10, samples=1000)
    assert drop == 0.02
    error = np.sqrt(41 - 1002 * (20 / 1002) ** 2) / 1002
    assert (low, high) == pytest.approx((20 / 1002 - 1.959964 * error, 20 / 1002 + 1.959964 * error))


def test_no_difference_is_not_certainty():
    drop, low, high = paired_drop(lost=0, won=0, samples=1000)
    assert drop == 0
    assert low < 0 < high
    assert high < 0.005


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(3)
    cells = random.multinomial(2000, [0.02, 0.01, 0.97], size=3000)
    held = [
        low <= 0.01 <= high
        for lost, won, _ in cells
        for _, low, high in [paired_drop(lost=lost, won=won, samples=2000)]
    ]
    assert 0.94 <= np.mean(held) <= 0.97


def test_variant_and_full_precision_are_paired(tmp_path):
    right = {"full": np.array([1, 1, 1, 1, 0] * 40, bool), "own": np.array([1, 1, 0, 1, 1] * 40, bool)}
    for name, array in right.items():
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / RIGHT, array)
    result = AccuracyResult(source="a", measured="b", samples=200, right=160)
    found = compare_accuracy(result, tmp_path / "own", tmp_path / "full")
    assert (found.accuracy, found.drop_points) == (0.8, 0.0)
    assert found.accuracy_low < 0.8 < found.accuracy_high
    # 40 lost and 40 won: no drop, but far from sure of it.
    assert found.high > 8


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"variants": [{"name": "fp32", "backend": "python"}]}, "hold others against"),
        (
            {"outputs": [{"name": "logits", "data_type": "TYPE_FP32", "dims": [6, 2]}], "postprocess": None},
            "about classes",
        ),
    ],
)
def test_a_spec_that_cannot_be_measured_is_refused(changes, said):
    fields = spec_fields() | {"gates": {"accuracy": {"data": {"source": "network:labelled"}}}} | changes
    with pytest.raises(ValueError, match=said):
        ModelSpec.model_validate(fields)
