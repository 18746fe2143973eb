"""Predict + data set -> figures: what a model's answers to a test split are worth. Read this first.

Whoever calls says how samples are predicted: through a live server, or in process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tritonkit.evaluation.metric_charts import LEAST_FALSE_POSITIVE
from tritonkit.evaluation.metrics.calibration import reliability
from tritonkit.evaluation.metrics.confusion import confusion_matrix, f1, precision, recall
from tritonkit.evaluation.metrics.ranking import Area, roc_area, roc_curve
from tritonkit.evaluation.metrics.regression import mean_absolute_error, mean_squared_error, r2
from tritonkit.evaluation.significance import (
    logit_interval,
    percentile_interval,
    resample,
    wilson_interval,
)
from tritonkit.spec.errors import GateError, InputError
from tritonkit.spec.evaluation import (
    CalibrationBin,
    ClassFigures,
    ClassificationFigures,
    Estimate,
    Mistake,
    RegressionFigures,
    RocPoint,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tritonkit.evaluation.datasets.dataset import DataSet
    from tritonkit.spec.evaluation import Figures

_MOST_PAIRS = 1000
_MOST_CORNERS = 120
_MISTAKES = 12
_ONE = 1e-3
"""How far from 1 float16 probabilities of a thousand classes may sum up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a model answered.

    Attributes:
        numbers: of shape (N, classes): logits or probabilities; of a regression of the targets' shape.
        chosen: the class that each answer names first, int64 of shape (N,); none where answers name no class, and
            the one of the highest number counts.
    """

    numbers: np.ndarray
    chosen: np.ndarray | None = None


def evaluate(predict: Callable[[np.ndarray], Answers], data: DataSet) -> Figures:
    """Predicts the test split of `data` and compares with what is true.

    Args:
        predict: the test split's samples, in their order -> the answers to them.
        data: a data set that `check_dataset` took; with classes it is a classification, without a regression.

    Raises:
        InputError: the answers are not of the shape that the data set asks for.
        GateError: an answer is no number.
    """
    answers = predict(data.test.samples)
    count = len(data.test.targets)
    expected = (count, len(data.classes)) if data.classes else data.test.targets.shape
    if answers.numbers.shape != expected:
        raise InputError(
            "the answers do not fit the data set", where=data.name, got=answers.numbers.shape, expected=expected
        )
    finite = np.isfinite(answers.numbers).reshape(count, -1).all(axis=1)
    if not finite.all():
        raise GateError(
            "answers are not finite numbers",
            where=data.name,
            got=f"{int((~finite).sum())} of {count}; the first: test sample {int(np.argmin(finite))}",
        )
    if data.classes:
        return classification_figures(data.test.targets, answers, data.classes)
    return regression_figures(data.test.targets, answers.numbers)


def classification_figures(truth: np.ndarray, answers: Answers, names: tuple[str, ...]) -> ClassificationFigures:
    """Figures of a classifier.

    Recall, precision and accuracy have Wilson's interval, F1 and macro figures the bootstrap's over the confusion
    matrix, areas the one of DeLong's variance.

    Args:
        truth: class numbers, int64 of shape (N,).
        answers: to the same samples, finite.
        names: of the classes.
    """
    probabilities = as_probabilities(answers.numbers)
    chosen = probabilities.argmax(axis=1) if answers.chosen is None else answers.chosen
    confusion = confusion_matrix(truth, chosen, len(names))
    by_class = _by_class(confusion)
    resampled = resample(confusion, _by_class)
    areas = [_area(probabilities[:, number], truth == number) for number in range(len(names))]
    return ClassificationFigures(
        accuracy=_proportion(int((truth == chosen).sum()), len(truth)),
        macro_precision=_macro(by_class[0], resampled[:, 0]),
        macro_recall=_macro(by_class[1], resampled[:, 1]),
        macro_f1=_macro(by_class[2], resampled[:, 2]),
        macro_auc=_mean_area(areas),
        classes=_class_figures(confusion, resampled[:, 2], areas, truth, probabilities, names),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        **_calibration(probabilities, truth, chosen),
        mistakes=_mistakes(probabilities, truth, chosen, names),
    )


def regression_figures(truth: np.ndarray, answer: np.ndarray) -> RegressionFigures:
    """Figures of a regression, with the bootstrap's intervals over samples.

    Args:
        truth: float32 of shape (N, ...).
        answer: of the same shape, finite.
    """
    once = np.ones(len(truth), np.int64)

    def estimate(figure: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]) -> Estimate:
        low, high = percentile_interval(resample(once, lambda weights: figure(truth, answer, weights)))
        return Estimate(value=float(figure(truth, answer, once)), low=float(low), high=float(high))

    pairs = zip(truth.ravel()[:_MOST_PAIRS].tolist(), answer.ravel()[:_MOST_PAIRS].tolist(), strict=True)
    return RegressionFigures(
        mse=estimate(mean_squared_error), mae=estimate(mean_absolute_error), r2=estimate(r2), pairs=tuple(pairs)
    )


def as_probabilities(numbers: np.ndarray) -> np.ndarray:
    """Probabilities in float64: rows that are no probabilities yet are logits, and go through softmax.

    Args:
        numbers: of shape (N, classes).
    """
    exact = numbers.astype(np.float64)
    if exact.min() >= 0 and np.abs(exact.sum(axis=1) - 1).max() < _ONE:
        return exact
    exponentials = np.exp(exact - exact.max(axis=1, keepdims=True))
    probabilities: np.ndarray = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def _by_class(confusion: np.ndarray) -> np.ndarray:
    """(..., C, C) -> precision, recall and F1, (..., 3, C)."""
    return np.stack([precision(confusion), recall(confusion), f1(confusion)], axis=-2)


def _class_figures(
    confusion: np.ndarray,
    resampled_f1: np.ndarray,
    areas: list[Area | None],
    truth: np.ndarray,
    probabilities: np.ndarray,
    names: tuple[str, ...],
) -> tuple[ClassFigures, ...]:
    own, low, high = f1(confusion), *percentile_interval(resampled_f1)
    right, named, there = confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)
    return tuple(
        ClassFigures(
            name=name,
            samples=int(there[number]),
            precision=_proportion(int(right[number]), int(named[number])),
            recall=_proportion(int(right[number]), int(there[number])),
            f1=Estimate(value=own[number], low=low[number], high=high[number]),
            auc=_area_estimate(area),
            roc=_thinned(roc_curve(probabilities[:, number], truth == number)) if area else (),
        )
        for number, (name, area) in enumerate(zip(names, areas, strict=True))
    )


def _proportion(part: int, whole: int) -> Estimate:
    low, high = wilson_interval(part, whole)
    return Estimate(value=part / whole if whole else 0.0, low=low, high=high)


def _macro(by_class: np.ndarray, resampled: np.ndarray) -> Estimate:
    low, high = percentile_interval(resampled.mean(axis=-1))
    return Estimate(value=float(by_class.mean()), low=float(low), high=float(high))


def _area(scores: np.ndarray, positive: np.ndarray) -> Area | None:
    """None where a curve has no positives, or nothing but them."""
    return roc_area(scores, positive) if positive.any() and not positive.all() else None


def _mean_area(areas: list[Area | None]) -> Estimate | None:
    there = [area for area in areas if area is not None]
    if len(there) < len(areas):
        return None
    influence = np.mean([area.influence for area in there], axis=0)
    return _area_estimate(
        Area(
            value=float(np.mean([area.value for area in there])),
            influence=influence,
            rarer=min(area.rarer for area in there),
        )
    )


def _area_estimate(area: Area | None) -> Estimate | None:
    if area is None:
        return None
    if area.value in {0.0, 1.0}:
        # Nothing varied: as sure as so many trials of one outcome are.
        low, high = wilson_interval(area.value * area.rarer, area.rarer)
    else:
        low, high = logit_interval(area.value, float(np.square(area.influence).sum()))
    return Estimate(value=area.value, low=low, high=high)


def _thinned(curve: np.ndarray) -> tuple[RocPoint, ...]:
    """At most so many corners as the drawing can show, spread evenly along the curve as it is drawn."""
    across = np.log10(np.maximum(curve[:, 0], LEAST_FALSE_POSITIVE)) / -np.log10(LEAST_FALSE_POSITIVE)
    length = np.concatenate([[0], np.cumsum(np.abs(np.diff(across)) + np.abs(np.diff(curve[:, 1])))])
    wanted = np.searchsorted(length, np.linspace(0, length[-1], _MOST_CORNERS)).clip(0, len(curve) - 1)
    kept = curve[np.unique(np.append(wanted, [0, len(curve) - 1]))]
    return tuple(RocPoint(false_positive=x, true_positive=y) for x, y in kept.tolist())


def _calibration(probabilities: np.ndarray, truth: np.ndarray, chosen: np.ndarray) -> dict[str, Any]:
    confidence = probabilities[np.arange(len(chosen)), chosen]
    found = reliability(confidence, chosen == truth)
    bins = len(found.count)
    return {
        "calibration_error": found.error,
        "calibration": tuple(
            CalibrationBin(
                high=(place + 1) / bins,
                count=int(found.count[place]),
                confidence=float(found.confidence[place]),
                accuracy=_proportion(round(found.accuracy[place] * found.count[place]), int(found.count[place])),
            )
            for place in range(bins)
            if found.count[place]
        ),
    }


def _mistakes(
    probabilities: np.ndarray, truth: np.ndarray, chosen: np.ndarray, names: tuple[str, ...]
) -> tuple[Mistake, ...]:
    confidence = probabilities[np.arange(len(chosen)), chosen]
    wrong = np.flatnonzero(chosen != truth)
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:_MISTAKES]
    return tuple(
        Mistake(
            sample=int(sample),
            truth=names[truth[sample]],
            answer=names[chosen[sample]],
            confidence=float(confidence[sample]),
        )
        for sample in surest
    )
