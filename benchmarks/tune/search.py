"""Which setting to look at next: a kept optimiser (Optuna), told of every point that has been looked at.

Pure but for what `evaluate` does. Few points can be looked at, since each takes half a minute of a live server. So the
search begins with what is usually good, the build's own setting and one copy of the network a core, and the optimiser
chooses by a model of how rates depend on settings (`surrogate`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tritonkit.spec.tuning import Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.tune.space import Space
    from tritonkit.spec.tuning import TunedPoint

SHARE_OF_THE_SPACE = 0.12
"""How much of a space is looked at if nobody says otherwise."""
_FEWEST_POINTS = 12
_MOST_POINTS = 40
_CONFIRMED = 2
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
    known: Sequence[TunedPoint] = (),
) -> Iterator[TunedPoint]:
    """Yields each point once it has been looked at, until there are `points` with those that are known.

    The last looks go to the best settings again (`outcome.winner` takes the mean of a setting's looks).

    Args:
        space: what to choose among.
        evaluate: looks at a setting, given the best rate so far; may stop as soon as it is clear that the setting
            stays below that.
        points: how many looks there are in all.
        known: what has been looked at already; the search goes on as if it had done that itself.
    """
    from benchmarks.tune import sampler  # noqa: PLC0415 - importing benchmarks must stay light

    study = sampler.new_study(space)
    looks: dict[Setting, list[TunedPoint]] = {}
    for point in known:
        sampler.tell(study, space, point.setting, point.promise)
        looks.setdefault(point.setting, []).append(point)
    new = min(points - _confirmations(points), space.size)
    for left in range(points - len(known), 0, -1):
        if len(looks) < new:
            best = max((one.rate for several in looks.values() for one in several), default=0.0)
            setting = _next_guess(space, looks) or sampler.ask(study, space)
            point = evaluate(setting, best)
        else:
            again = _to_confirm(looks, left)
            if again is None:
                return
            point = evaluate(again, _BEGINS_BELOW * looks[again][0].rate)
        sampler.tell(study, space, point.setting, point.promise)
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
    """The build's own setting; then, for each variant, a copy of one thread a core, the largest batch and no delay."""
    top = {name: values[-1] for name, values in space.axes.items()}
    threads, instances = space.axes["threads"], [n for n in space.axes["instances"] if isinstance(n, int)]
    cores = max((n for n in threads if isinstance(n, int)), default=instances[-1])
    usual = {
        **top,
        "instances": max((n for n in instances if n <= cores), default=instances[0]),
        "threads": threads[0],
        "max_queue_delay_microseconds": space.axes["max_queue_delay_microseconds"][0],
    }
    guesses = [Setting.model_validate({**usual, "variant": variant}) for variant in space.axes["variant"]]
    return tuple(dict.fromkeys([space.own, *guesses]))
