"""The search over settings: how good it is on landscapes with noise, that it goes on where it was, and what it says."""

from __future__ import annotations

import json
import math
import random
import statistics
from pathlib import Path

import pytest

from benchmarks.comparisons.record_tuning_grid import noise, recorded
from benchmarks.slo import parse_objective
from benchmarks.tune.journal import Journal
from benchmarks.tune.outcome import best_rate, promise, ranked, winner
from benchmarks.tune.search import default_points, first_guesses, search
from benchmarks.tune.space import Space, make_space
from tritonkit.spec.errors import InputError
from tritonkit.spec.tuning import RateStep, Setting, TunedPoint, TuningReport

AXES = {
    "variant": ("fp32",),
    "instances": (1, 2, 3),
    "threads": (1, 2),
    "max_batch_size": (1, 4, 16),
    "max_queue_delay_microseconds": (0, 2000, 10_000),
    "preprocess_instances": (1, 2),
}
OWN = Setting(
    variant="fp32",
    instances=1,
    threads=1,
    max_batch_size=16,
    max_queue_delay_microseconds=0,
    preprocess_instances=1,
)
SPACE = Space(axes=AXES, own=OWN)
OBJECTIVE = parse_objective("p95<100ms")


def drawn(number: int):
    """A made-up truth: each axis has a factor of its own for each value, and instances and threads act together.

    Which values are good is drawn, so that the usual guesses are right in some landscapes and wrong in others.
    """
    rng = random.Random(number)
    factors = {name: {value: rng.uniform(0.75, 1.0) for value in values} for name, values in AXES.items()}
    together = {(i, t): rng.uniform(0.6, 1.0) for i in AXES["instances"] for t in AXES["threads"]}

    def rate(setting: Setting) -> float:
        product = math.prod(factors[name][value] for name, value in setting)
        return 100 * product * together[setting.instances, setting.threads]

    return rate


def rough(number: int):
    """As `drawn`, and each setting has a further factor that nothing explains, of about four per cent."""
    smooth, rng = drawn(number + 500), random.Random(number)
    factors = {setting: math.exp(rng.gauss(0, 0.04)) for setting in SPACE.settings()}
    return lambda setting: smooth(setting) * factors[setting]


def pipeline(number: int):
    """A pipeline on two cores: the network, the step before it, or the cores are what it waits for, by drawn costs."""
    rng = random.Random(number + 1000)
    network, step = rng.uniform(5, 30), rng.uniform(1, 25)
    second_thread, crowding = rng.uniform(0.5, 0.95), rng.uniform(0, 0.2)
    batched = {1: 1.0, 4: rng.uniform(0.8, 1.1), 16: rng.uniform(0.75, 1.2)}
    waiting = {0: 0.0, 2000: rng.uniform(0, 0.08), 10_000: rng.uniform(0, 0.3)}

    def rate(setting: Setting) -> float:
        speed = {1: 1.0, 2: 2 * second_thread}[setting.threads]
        cost = network * batched[setting.max_batch_size]
        busy = setting.instances * setting.threads + setting.preprocess_instances
        limits = (
            setting.instances * speed / cost,
            setting.preprocess_instances / step,
            2 / (cost * setting.threads / speed + step + 2) * (1 - crowding * max(0, busy - 3)),
        )
        together = sum(limit**-6 for limit in limits) ** (-1 / 6)
        return 1000 * together * (1 - waiting[setting.max_queue_delay_microseconds])

    return rate


def looked_at(truth, setting: Setting, best: float, noise: float) -> TunedPoint:
    """A look as a live one goes: given up where it fails at the best rate so far."""
    rate = truth(setting) * math.exp(noise)
    if rate < best:
        return TunedPoint(setting=setting, verdict="hopeless", rate=0.0, promise=0.9 * min(best, rate))
    return TunedPoint(setting=setting, verdict="measured", rate=rate, promise=rate)


def _found(landscape, seed: int, noise: float, *, at_random: bool) -> float:
    """The truth of what is chosen after an eighth of the space, as a part of the best."""
    truth, rng = landscape(seed), random.Random(seed)
    points = default_points(SPACE.size)
    assert points <= 0.12 * SPACE.size
    if at_random:
        settings = rng.sample(list(SPACE.settings()), points)
        looks = [looked_at(truth, setting, 0.0, rng.gauss(0, noise)) for setting in settings]
    else:
        looks = list(
            search(
                SPACE,
                lambda setting, best: looked_at(truth, setting, best, rng.gauss(0, noise)),
                points=points,
            )
        )
        assert len(looks) <= points
    return truth(winner(looks)) / max(map(truth, SPACE.settings()))


@pytest.mark.parametrize("landscape", [drawn, rough, pipeline])
def test_an_eighth_of_a_made_up_landscape_finds_97_percent_of_its_best(landscape):
    # Fifty truths, each with noise of three per cent: the recorded grid below is the proof, this is how it got there.
    found, chance = (sorted(_found(landscape, seed, 0.03, at_random=r) for seed in range(50)) for r in (False, True))
    assert statistics.median(found) >= 0.97
    assert statistics.median(found) > statistics.median(chance)
    assert found[5] >= max(0.88, chance[5]), "nine of ten"


def _recorded() -> list[Path]:
    return sorted(Path("benchmarks/results").glob("tuning-grid-*.jsonl"))


@pytest.mark.skipif(
    not _recorded(), reason="no grid was recorded yet: benchmarks/comparisons/record_tuning_grid.py on a quiet machine"
)
@pytest.mark.parametrize("file", _recorded(), ids=lambda path: path.stem)
def test_on_a_recorded_grid_an_eighth_of_the_points_finds_97_percent_of_the_best(file):
    looks: dict[Setting, list[float]] = {}
    for line in map(json.loads, file.read_text().splitlines()):
        looks.setdefault(Setting.model_validate(line["setting"]), []).append(line["promise"])
    truth = {setting: statistics.fmean(several) for setting, several in looks.items()}
    axes = {name: tuple(sorted({getattr(s, name) for s in truth})) for name in AXES}
    found = []
    for seed in range(50):
        rng = random.Random(seed)

        def look(setting: Setting, best: float, rng=rng) -> TunedPoint:
            return looked_at(lambda one: rng.choice(looks[one]), setting, best, 0.0)

        points = default_points(len(truth))
        # Whatever the build was served by: what it is here would make the search begin near the best.
        own = rng.choice(sorted(truth, key=str))
        chosen = winner(list(search(Space(axes=axes, own=own), look, points=points)))
        found.append(truth[chosen] / max(truth.values()))
    found.sort()
    assert statistics.median(found) >= 0.97, found
    assert found[5] >= 0.95, found


def test_it_begins_with_the_builds_own_setting_and_the_usual_guesses():
    first, *others = first_guesses(SPACE)
    assert first == OWN
    assert {(s.instances, s.threads) for s in others} == {(2, 1)}
    truth = drawn(1)
    points = list(search(SPACE, lambda s, b: looked_at(truth, s, b, 0.0), points=2))
    assert tuple(p.setting for p in points) == first_guesses(SPACE)


def test_it_goes_on_with_what_is_known_and_looks_at_nothing_twice_but_to_confirm():
    truth = drawn(2)
    looks = []

    def look(setting, best):
        looks.append(setting)
        return looked_at(truth, setting, best, 0.0)

    before = list(search(SPACE, look, points=5))
    after = list(search(SPACE, look, points=12, known=before))
    assert len(before) + len(after) <= 12
    assert not {p.setting for p in before} & {p.setting for p in after[: 12 - 5 - 2]}
    assert max(looks.count(setting) for setting in looks) <= 2


def test_a_space_smaller_than_the_points_is_looked_at_whole():
    small = Space(axes={**AXES, **dict.fromkeys(("instances", "threads", "preprocess_instances"), (1,))}, own=OWN)
    truth = drawn(3)
    points = list(search(small, lambda s, b: looked_at(truth, s, b, 0.0), points=40))
    assert {p.setting for p in points} == set(small.settings())


def test_the_space_holds_the_builds_own_values_and_leaves_out_what_a_variant_has_not():
    own = OWN.model_copy(update={"instances": 5, "threads": None, "preprocess_instances": None})
    space = make_space({}, own, cores=4)
    assert 5 in space.axes["instances"]
    assert space.axes["threads"] == space.axes["preprocess_instances"] == (None,)
    assert space.own == own
    assert own.max_batch_size == max(space.axes["max_batch_size"])


def _step(offered, p95, *, met, answered=None):
    return RateStep(
        offered=offered, answered=offered if answered is None else answered, p50=p95 / 2, p95=p95, p99=p95 * 2, met=met
    )


def test_the_promise_lies_where_the_latency_crosses_the_limit():
    steps = (_step(10, 25, met=True), _step(20, 50, met=True), _step(30, 200, met=False))
    assert best_rate(steps) == 20
    # 100 is half-way from 50 to 200 on a logarithmic scale.
    assert promise(steps, OBJECTIVE) == pytest.approx(25)
    assert promise((_step(30, 200, met=False, answered=12),), OBJECTIVE) == pytest.approx(0.9 * 12)
    assert promise(steps[:2], OBJECTIVE) == 20
    assert promise((), OBJECTIVE) == 0


def test_a_rate_above_a_miss_does_not_count():
    steps = (_step(10, 25, met=True), _step(20, 150, met=False), _step(30, 50, met=True))
    assert best_rate(steps) == 10


def _point(setting, rate, **fields):
    return TunedPoint(setting=setting, verdict="measured", rate=rate, promise=rate, **fields)


def test_a_lucky_look_does_not_win_over_confirmed_ones():
    lucky, steady = OWN.model_copy(update={"instances": 2}), OWN
    assert winner([_point(lucky, 90), _point(steady, 80), _point(lucky, 60), _point(steady, 82)]) == steady
    assert winner([_point(lucky, 90), _point(steady, 80)]) == lucky
    assert winner([_point(OWN, 0)]) is None


def test_the_losers_are_told_why():
    slow, broken, hopeless = (OWN.model_copy(update={"instances": n}) for n in (2, 3, 4))
    points = (
        _point(OWN, 80),
        _point(slow, 40, reason="at 43.0/s it answered 30.0/s: it was saturated"),
        TunedPoint(setting=broken, verdict="does not load", rate=0, promise=0, reason="no memory"),
        TunedPoint(setting=hopeless, verdict="hopeless", rate=0, promise=30, reason="it was saturated"),
    )
    report = TuningReport(
        name="m", objective="p95<100ms", max_drop_points=0.5, axes=AXES, settings=108, points=points, own=OWN,
        winner=OWN, step_seconds=1, started_at="", seconds=1, machine="", cores=2, tools={}, command="",
    )  # fmt: skip
    first, *others = ranked(report)
    assert (first.setting, first.why) == (OWN, "the winner")
    why = {row.setting: row.why for row in others}
    assert why[slow].startswith("-50% of the winner's rate; at 43.0/s")
    assert why[broken] == "does not load: no memory"
    assert why[hopeless].startswith("given up early")


def test_a_journal_survives_a_kill_in_the_middle_of_a_line(tmp_path):
    journal = Journal(tmp_path / "deep" / "points.jsonl", {"objective": "p95<100ms", "axes": {"threads": (1, 2)}})
    assert journal.read() == ()
    points = (_point(OWN, 80), _point(OWN.model_copy(update={"threads": 2}), 70))
    for point in points:
        journal.add(point)
    file = tmp_path / "deep" / "points.jsonl"
    file.write_text(file.read_text() + '{"setting": {"vari')
    assert journal.read() == points
    journal.add(points[0])
    assert journal.read() == (*points, points[0])


def test_a_journal_of_another_question_is_refused(tmp_path):
    Journal(tmp_path / "points.jsonl", {"objective": "p95<100ms", "seed": 0}).add(_point(OWN, 80))
    with pytest.raises(InputError, match="objective") as caught:
        Journal(tmp_path / "points.jsonl", {"objective": "p95<50ms", "seed": 0}).read()
    assert "--restart" in str(caught.value)


def test_a_grid_is_gone_on_with_and_tells_its_noise(tmp_path):
    rng, file, question = random.Random(0), tmp_path / "grid.jsonl", {"objective": "p95<100ms"}
    assert recorded(file, question) == []
    lines = [
        {**question, "repeat": repeat, "setting": setting.model_dump(), "promise": 50 * math.exp(rng.gauss(0, 0.05))}
        for setting in SPACE.settings()
        for repeat in range(2)
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    file.write_text(text + '{"objective": "p9')
    assert recorded(file, question) == lines
    assert file.read_text() == text
    assert noise(lines) == pytest.approx(0.05, rel=0.3)
    assert noise(lines[::2]) is None
    with pytest.raises(InputError, match="another objective"):
        recorded(file, {"objective": "p95<50ms"})
