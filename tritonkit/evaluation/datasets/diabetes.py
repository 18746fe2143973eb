"""The diabetes data that scikit-learn carries: ten measurements of 442 patients, and how the illness went on.

Efron, Hastie, Johnstone and Tibshirani, "Least Angle Regression", Annals of Statistics 32 (2004).
"""

from __future__ import annotations

import numpy as np

from tritonkit.evaluation.datasets.dataset import DataSet, Split

_TEST = 89
"""A fifth of the patients."""


def diabetes(seed: int = 0) -> DataSet:
    """Age, sex, body mass index, blood pressure and six blood values, unscaled -> progression after a year.

    Args:
        seed: of the shuffle that decides who is tested with.

    Returns:
        samples of shape (N, 10), targets of shape (N, 1).
    """
    from sklearn.datasets import load_diabetes  # noqa: PLC0415 - only this data set needs it

    samples, targets = load_diabetes(return_X_y=True, scaled=False)
    order = np.random.default_rng(seed).permutation(len(samples))
    x, y = samples[order].astype(np.float32), targets[order, None].astype(np.float32)
    return DataSet(
        name="diabetes",
        training=Split(samples=x[_TEST:], targets=y[_TEST:]),
        test=Split(samples=x[:_TEST], targets=y[:_TEST]),
    )
