"""Answers and a data set -> figures, and what is refused."""

import dataclasses

import numpy as np
import pytest
from sklearn import metrics

from tritonkit.evaluation.datasets.dataset import DataSet, Split, first_of_test, load_dataset
from tritonkit.evaluation.evaluate import Answers, as_probabilities, evaluate
from tritonkit.evaluation.requirements import judge, parse_bounds
from tritonkit.spec.errors import GateError, InputError

NAMES = ("cup", "hat", "key")


def clothes(count=240) -> DataSet:
    random = np.random.default_rng(0)
    pictures = random.integers(0, 255, (count + 10, 4, 4), dtype=np.uint8)
    targets = np.arange(count + 10) % 3
    return DataSet(
        name="things",
        training=Split(samples=pictures[count:], targets=targets[count:]),
        test=Split(samples=pictures[:count], targets=targets[:count]),
        classes=NAMES,
    )


def logits_for(truth, seed=1):
    random = np.random.default_rng(seed)
    return (random.standard_normal((len(truth), 3)) + 2.0 * np.eye(3)[truth]).astype(np.float32)


def line(count=80) -> DataSet:
    random = np.random.default_rng(0)
    x = random.standard_normal((count, 2)).astype(np.float32)
    y = x.sum(axis=1, keepdims=True)
    return DataSet(name="line", training=Split(samples=x[:8], targets=y[:8]), test=Split(samples=x[8:], targets=y[8:]))


def test_a_classifiers_figures_are_scikit_learns_with_intervals_around_them():
    data = clothes()
    truth, logits = data.test.targets, logits_for(data.test.targets)
    figures = evaluate(lambda _: Answers(numbers=logits), data)
    chosen, probabilities = logits.argmax(axis=1), as_probabilities(logits)
    p, r, f, _ = metrics.precision_recall_fscore_support(truth, chosen, average="macro")
    expected = {
        "accuracy": metrics.accuracy_score(truth, chosen),
        "macro_precision": p,
        "macro_recall": r,
        "macro_f1": f,
        "macro_auc": metrics.roc_auc_score(truth, probabilities, multi_class="ovr"),
    }
    for name, value in expected.items():
        estimate = getattr(figures, name)
        assert estimate.value == pytest.approx(value), name
        assert estimate.low < value < estimate.high, name
        assert estimate.high - estimate.low < 0.15, name
    assert [one.name for one in figures.classes] == list(NAMES)
    assert sum(map(sum, figures.confusion)) == len(truth)
    assert sum(one.count for one in figures.calibration) == len(truth)
    for one in figures.classes:
        assert (one.roc[0].false_positive, one.roc[-1].true_positive) == (0, 1)
        assert len(one.roc) <= 122
    worst = figures.mistakes[0]
    assert worst.truth == NAMES[truth[worst.sample]] != worst.answer
    assert worst.confidence == max(one.confidence for one in figures.mistakes)


def test_what_the_answer_names_first_counts_not_what_its_numbers_say():
    data = clothes()
    logits = logits_for(data.test.targets)
    figures = evaluate(lambda _: Answers(numbers=logits, chosen=(data.test.targets + 1) % 3), data)
    assert figures.accuracy.value == 0
    assert figures.macro_auc.value > 0.9


def test_probabilities_are_left_as_they_are_and_logits_are_not():
    probabilities = np.array([[0.2, 0.8], [0.5, 0.5]])
    np.testing.assert_array_equal(as_probabilities(probabilities), probabilities)
    np.testing.assert_allclose(as_probabilities(np.log(3 * probabilities)), probabilities)
    np.testing.assert_allclose(as_probabilities(np.array([[1000.0, 0.0]])), [[1, 0]])


def test_a_class_without_samples_has_no_area():
    data = clothes()
    targets = np.where(data.test.targets == 2, 0, data.test.targets)
    data = dataclasses.replace(data, test=Split(samples=data.test.samples, targets=targets))
    figures = evaluate(lambda _: Answers(numbers=logits_for(targets)), data)
    assert figures.classes[2].auc is None
    assert figures.classes[2].roc == ()
    assert figures.macro_auc is None
    (bound,) = judge(figures, parse_bounds("macro_auc>0.1", "classification"))
    assert not bound.met
    assert bound.got is None


def test_a_perfect_classifier_is_not_called_certain():
    data = clothes(30)
    figures = evaluate(lambda _: Answers(numbers=20.0 * np.eye(3)[data.test.targets]), data)
    assert figures.macro_auc.value == 1
    assert figures.macro_auc.high == pytest.approx(1)
    assert 0.6 < figures.macro_auc.low < 0.8
    assert figures.accuracy.low == pytest.approx(0.886, abs=0.001)


def test_a_regressions_figures():
    data = line()
    answers = data.test.targets + np.float32(0.5)
    figures = evaluate(lambda _: Answers(numbers=answers), data)
    assert figures.mse.value == pytest.approx(0.25, rel=1e-5)
    assert figures.mae.value == pytest.approx(0.5, rel=1e-5)
    assert figures.r2.value == pytest.approx(metrics.r2_score(data.test.targets, answers), rel=1e-5)
    assert figures.r2.low < figures.r2.value < figures.r2.high < 1
    assert len(figures.pairs) == len(data.test.targets)


def test_answers_that_do_not_fit_are_refused():
    data = clothes()
    with pytest.raises(InputError, match=r"\(240, 4\); expected \(240, 3\)"):
        evaluate(lambda _: Answers(numbers=np.zeros((240, 4))), data)
    numbers = np.zeros((240, 3))
    numbers[17, 1] = np.nan
    with pytest.raises(GateError, match="1 of 240; the first: test sample 17"):
        evaluate(lambda _: Answers(numbers=numbers), data)


@pytest.mark.parametrize("text", ["accuracy", "accuracy>=0.9", "mse<3", "accuracy>high", "samples>3"])
def test_a_slip_in_a_bound_is_told(text):
    with pytest.raises(InputError, match="no bound on a classification's figures"):
        parse_bounds(text, "classification")


def test_bounds_are_judged():
    data = line()
    figures = evaluate(lambda _: Answers(numbers=data.test.targets + np.float32(0.5)), data)
    kept = judge(figures, parse_bounds("mse<0.3, mae<0.4,r2>0", "regression"))
    assert [one.met for one in kept] == [True, False, True]
    assert judge(figures, parse_bounds("", "regression")) == ()


def test_a_data_set_is_found_by_name_cut_and_checked(tmp_path):
    (tmp_path / "my_things.py").write_text(
        "import numpy as np\n"
        "from tritonkit.evaluation.datasets.dataset import DataSet, Split\n"
        "def numbers(count, leak=False):\n"
        "    x = np.arange(count * 2, dtype=np.float32).reshape(count, 2)\n"
        "    test = x[:4] if leak else -1 - x[:4]\n"
        "    return DataSet(name='n', training=Split(samples=x, targets=x), test=Split(samples=test, targets=test))\n"
        "def nothing():\n"
        "    return None\n"
    )
    data = load_dataset("my_things:numbers", {"count": 9}, tmp_path)
    assert first_of_test(data, 3).test.samples.shape == (3, 2)
    assert first_of_test(data, 3).training is data.training
    with pytest.raises(InputError, match="returned no data set"):
        load_dataset("my_things:nothing", {}, tmp_path)
    with pytest.raises(GateError, match="test sample 0 is training sample 0"):
        load_dataset("my_things:numbers", {"count": 9, "leak": True}, tmp_path)
