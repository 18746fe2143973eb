"""Which setting to look at next: a kept optimiser (Optuna), told of every point that has been looked at.

Pure but for what `evaluate` does. Few points can be looked at, since each takes half a minute of a live server. So the
search begins with what is usually good (one copy of the network a core, or one copy with all cores), and only then
asks the optimiser, a tree-structured Parzen estimator (Bergstra et al., "Algorithms for Hyper-Parameter Optimization",
NIPS 2011) over the axes together.
"""

from __future__ import annotations

import random
import warnings
from typing import TYPE_CHECKING

from benchmarks.tune.space import AXES
from tritonkit.spec.tuning import Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import optuna

    from benchmarks.tune.space import Space
    from tritonkit.spec.tuning import TunedPoint

SHARE_OF_THE_SPACE = 0.12
"""How much of a space is looked at if nobody says otherwise."""
_FEWEST_POINTS = 12
_MOST_POINTS = 40
_STARTUP_POINTS = 6
_ASKED_AGAIN = 20
_CONFIRMED = 3
"""How many of the best are looked at twice: the best of many noisy figures is too often merely the luckiest."""
_BEGINS_BELOW = 0.8
"""Where the climb of a second look begins, as a part of the first one's rate."""


def default_points(size: int) -> int:
    """How many points of a space of `size` settings to look at."""
    return min(size, max(_FEWEST_POINTS, min(_MOST_POINTS, int(SHARE_OF_THE_SPACE * size))))


def search(
    space: Space,
    evaluate: Callable[[Setting, float], TunedPoint],
    *,
    points: int,
    seed: int = 0,
    known: Sequence[TunedPoint] = (),
) -> Iterator[TunedPoint]:
    """Yields each point once it has been looked at, until there are `points` with those that are known.

    The last looks go to the best settings again (`outcome.winner` takes the mean of a setting's looks).

    Args:
        space: what to choose among.
        evaluate: looks at a setting, given the best rate so far; may stop as soon as it is clear that the setting
            stays below that.
        points: how many looks there are in all.
        seed: of the optimiser.
        known: what has been looked at already; the search goes on as if it had done that itself.
    """
    study = _new_study(seed + len(known))
    looks: dict[Setting, list[TunedPoint]] = {}
    for point in known:
        _tell(study, space, point)
        looks.setdefault(point.setting, []).append(point)
    rng = random.Random(f"{seed}/{len(known)}")  # noqa: S311 - a choice, no secret
    new = min(points - _confirmations(points), space.size)
    for left in range(points - len(known), 0, -1):
        if len(looks) < new:
            best = max((one.rate for several in looks.values() for one in several), default=0.0)
            setting = _next_guess(space, looks) or _ask(study, space, looks, rng)
            point = evaluate(setting, best)
        else:
            again = _to_confirm(looks, left)
            if again is None:
                return
            point = evaluate(again, _BEGINS_BELOW * looks[again][0].rate)
        _tell(study, space, point)
        looks.setdefault(point.setting, []).append(point)
        yield point


def _confirmations(points: int) -> int:
    return min(_CONFIRMED, points // 4)


def _to_confirm(looks: Mapping[Setting, list[TunedPoint]], left: int) -> Setting | None:
    """The best of the settings that were looked at once and may yet win."""
    ranked = sorted(looks, key=lambda setting: looks[setting][0].promise, reverse=True)
    once = [s for s in ranked[: max(left, _CONFIRMED)] if len(looks[s]) == 1 and looks[s][0].rate > 0]
    return once[0] if once else None


def _next_guess(space: Space, looks: Mapping[Setting, list[TunedPoint]]) -> Setting | None:
    return next((setting for setting in first_guesses(space) if setting not in looks), None)


def first_guesses(space: Space) -> tuple[Setting, ...]:
    """The build's own setting; then, for each variant, a copy of one thread a core, and one copy with all threads."""
    top = {name: values[-1] for name, values in space.axes.items()}
    threads, instances = space.axes["threads"], [n for n in space.axes["instances"] if isinstance(n, int)]
    cores = max((n for n in threads if isinstance(n, int)), default=instances[-1])
    many = {"instances": max((n for n in instances if n <= cores), default=instances[0]), "threads": threads[0]}
    one = {"instances": instances[0], "threads": threads[-1]}
    still = {**top, "max_queue_delay_microseconds": space.axes["max_queue_delay_microseconds"][0]}
    guesses = [
        Setting.model_validate({**still, "variant": variant, **shape})
        for variant in space.axes["variant"]
        for shape in (many, one)
    ]
    return tuple(dict.fromkeys([space.own, *guesses]))


def _new_study(seed: int) -> optuna.Study:
    import optuna  # noqa: PLC0415 - importing benchmarks must stay light

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            seed=seed, multivariate=True, n_startup_trials=_STARTUP_POINTS, n_ei_candidates=64
        )
    return optuna.create_study(direction="maximize", sampler=sampler)


def _distributions(space: Space) -> dict[str, optuna.distributions.BaseDistribution]:
    """Numbers by their place on the axis, which keeps their order; names without one."""
    import optuna  # noqa: PLC0415 - importing benchmarks must stay light

    return {
        name: optuna.distributions.CategoricalDistribution(values)
        if name == "variant"
        else optuna.distributions.IntDistribution(0, len(values) - 1)
        for name, values in space.axes.items()
        if len(values) > 1
    }


def _ask(study: optuna.Study, space: Space, looks: Mapping[Setting, list[TunedPoint]], rng: random.Random) -> Setting:
    """The optimiser's next choice. What it has chosen before it is told once more, and asked again."""
    for _ in range(_ASKED_AGAIN):
        trial = study.ask(_distributions(space))
        setting = _setting(space, trial.params)
        if setting not in looks:
            # Told by `_tell`, as a trial of its own, when it has been looked at.
            study.tell(trial, state=_failed())
            return setting
        study.tell(trial, looks[setting][0].promise)
    return rng.choice([setting for setting in space.settings() if setting not in looks])


def _failed() -> optuna.trial.TrialState:
    from optuna.trial import TrialState  # noqa: PLC0415 - importing benchmarks must stay light

    return TrialState.FAIL


def _setting(space: Space, params: dict[str, str | int]) -> Setting:
    fields: dict[str, str | int | None] = {}
    for name in AXES:
        values = space.axes[name]
        chosen = params.get(name)
        fields[name] = values[0] if chosen is None else chosen if isinstance(chosen, str) else values[chosen]
    return Setting.model_validate(fields)


def _tell(study: optuna.Study, space: Space, point: TunedPoint) -> None:
    from optuna.trial import create_trial  # noqa: PLC0415 - importing benchmarks must stay light

    distributions = _distributions(space)
    params = {
        name: value if name == "variant" else space.axes[name].index(value)
        for name, value in point.setting
        if name in distributions
    }
    study.add_trial(create_trial(params=params, distributions=distributions, value=point.promise))
