"""Optuna's sampler for a search over settings: the setting that is expected to improve most on the best so far.

Optuna's own: its TPE needs many more looks than there are here, its Gaussian process needs torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import optuna

from benchmarks.tune.space import AXES
from benchmarks.tune.surrogate import expected_improvement, positions, posterior
from tritonkit.spec.tuning import Setting

if TYPE_CHECKING:
    from benchmarks.tune.space import Space

Distributions = dict[str, optuna.distributions.BaseDistribution]


def new_study(space: Space) -> optuna.Study:
    """A study of `space`, of which nothing is known yet."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="maximize", sampler=SettingSampler(space))


def tell(study: optuna.Study, space: Space, setting: Setting, promise: float) -> None:
    """Tells what a look at `setting` promised, in requests a second."""
    params = dict(setting)
    study.add_trial(optuna.trial.create_trial(params=params, distributions=_distributions(space), value=promise))


def ask(study: optuna.Study, space: Space) -> Setting:
    """The setting to look at next, one that was never looked at."""
    trial = study.ask(_distributions(space))
    # Told by `tell`, as a trial of its own, when it has been looked at.
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    return Setting.model_validate(trial.params)


def _distributions(space: Space) -> Distributions:
    return {name: optuna.distributions.CategoricalDistribution(space.axes[name]) for name in AXES}


class SettingSampler(optuna.samplers.BaseSampler):
    """Chooses among the settings of `space` by their expected improvement."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._settings = tuple(space.settings())
        self._positions = positions(space, self._settings)

    def infer_relative_search_space(self, *_: Any, **__: Any) -> Distributions:
        """All axes are chosen together."""
        return _distributions(self._space)

    def sample_relative(self, study: optuna.Study, *_: Any, **__: Any) -> dict[str, Any]:
        """The next setting's values by axis."""
        told = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        looked = [Setting.model_validate(one.params) for one in told]
        promises = [one.value or 0.0 for one in told]
        mean, deviation = posterior(self._space, positions(self._space, looked), promises, self._positions)
        seen = np.isin(np.arange(len(self._settings)), [self._settings.index(setting) for setting in looked])
        gain = expected_improvement(mean, deviation, float(mean[seen].max()))
        gain[seen] = -np.inf
        return dict(self._settings[int(np.argmax(gain))])

    def sample_independent(self, *_: Any, **__: Any) -> Any:
        """Optuna asks this for an axis that `sample_relative` left out, and it leaves out none."""
        raise AssertionError("every axis is chosen by sample_relative")
