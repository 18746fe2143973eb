"""The search on a live server: a setting is written into the scratch copy, loaded, and loaded with requests."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from benchmarks.payloads import make_requests
from benchmarks.plan import LoadPlan
from benchmarks.served_model import read_served_model
from benchmarks.slo import parse_objective
from benchmarks.tune import outcome
from benchmarks.tune.built import Built, allowed_variants
from benchmarks.tune.climb import Mountain, climb_from, climb_from_below
from benchmarks.tune.journal import Journal
from benchmarks.tune.scratch import Scratch
from benchmarks.tune.search import default_points, search
from benchmarks.tune.space import make_space
from tritonkit.server import ServerOptions, TritonServer
from tritonkit.spec.errors import GateError, InputError, UnavailableError
from tritonkit.spec.tuning import Setting, TunedPoint, TuningReport

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.tune.space import Space
    from tritonkit.spec.tuning import RateStep

JOURNAL = "points.jsonl"
_USERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningPlan:
    """What a search is asked to do.

    Attributes:
        objective: what every rate must meet (`slo.parse_objective`).
        max_drop_points: most accuracy that a variant may cost, in percentage points.
        points: how many looks at a setting; `None` is about an eighth of the settings.
        step_seconds: how long each rate is held.
        warmup_seconds: before each climb.
        deadline_seconds: of a request.
        files: what to send, in turn; without files, random numbers.
        seed: of arrivals.
    """

    objective: str
    max_drop_points: float = 0.5
    points: int | None = None
    step_seconds: float = 5.0
    warmup_seconds: float = 1.0
    deadline_seconds: float = 10.0
    files: tuple[Path, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses what cannot be run.

        Raises:
            InputError: an objective that is none, or that only a closed loop could meet; a number out of range.
        """
        if parse_objective(self.objective).latency_ms is None:
            raise InputError(
                "the objective says nothing of latency",
                got=self.objective,
                expected='such as "p99<50ms,errors<0.1%"',
                hint="without a bound on latency the highest rate has no meaning",
            )
        if self.points is not None and self.points < 1:
            raise InputError("points is too small", got=self.points, expected=">= 1")
        if self.step_seconds <= 0:
            raise InputError("step_seconds is not positive", got=self.step_seconds, expected="seconds > 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a search is.

    Attributes:
        done: points looked at, those of an earlier run included.
        points: how many there will be, at most.
        best: the highest rate so far, in requests a second.
        left_seconds: how long the rest takes if it goes on like this; `None` before the first point.
        doing: what is going on, in a few words.
        point: the point that was just finished, if one was.
    """

    done: int
    points: int
    best: float
    left_seconds: float | None
    doing: str
    point: TunedPoint | None = None


def tune(
    built: Built,
    plan: TuningPlan,
    *,
    folder: Path,
    watch: Callable[[Progress], None] = lambda _: None,
    restart: bool = False,
    command: str = "",
) -> TuningReport:
    """Searches for the setting with the highest rate that meets the objective. Nothing is built.

    Args:
        built: the build whose parts are served.
        plan: what to look for.
        folder: where the scratch repository and the journal go; a journal that lies there is gone on with.
        watch: is told where the search is.
        restart: whether to forget an earlier search in `folder`.
        command: what repeats this, for the report.

    Raises:
        InputError: an earlier search in `folder` asked something else; the files do not fit the model.
        GateError: the built setting itself does not load.
        UnavailableError: this machine cannot run the server.
    """
    began, started_at = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    variants, excluded = allowed_variants(built, plan.max_drop_points)
    space = make_space(variants, built.own, cores=os.cpu_count() or 1)
    points = min(plan.points or default_points(space.size), 2 * space.size)
    journal = Journal(folder / JOURNAL, _question(built, plan, space, points))
    if restart:
        journal.forget()
    known = journal.read()
    looked = list(known)
    scratch = Scratch(built, folder / "repository")
    scratch.rewrite(built.own)
    options = ServerOptions(scratch.folder, models=(built.report.name,), release=built.report.target)
    watch(_progress(looked, len(known), points, began, "starting a server"))
    if len(looked) < points:
        with TritonServer(options) as server:
            looker = _Looker(server, scratch, _mountain(built, plan, server), built.report.name)

            def look(setting: Setting, best: float) -> TunedPoint:
                watch(_progress(looked, len(known), points, began, outcome.in_words(setting)))
                return looker.look(setting, best)

            for point in search(space, look, points=points, known=known):
                journal.add(point)
                looked.append(point)
                watch(_progress(looked, len(known), points, began, "", point))
    return TuningReport(
        name=built.report.name,
        objective=plan.objective,
        max_drop_points=plan.max_drop_points,
        axes=dict(space.axes),
        settings=space.size,
        excluded=excluded,
        points=tuple(looked),
        own=space.own,
        winner=outcome.winner(looked),
        step_seconds=plan.step_seconds,
        started_at=started_at,
        seconds=time.monotonic() - began,
        machine=f"{platform.system()} {platform.release()}, {platform.machine()}",
        cores=os.cpu_count() or 1,
        tools={name: version(name) for name in ("optuna", "locust", "grpcio")},
        command=command,
        notes=_notes(len(known), looked, points),
    )


class _Looker:
    """Looks at one setting after the other on one server."""

    def __init__(self, server: TritonServer, scratch: Scratch, mountain: Mountain, name: str) -> None:
        self._server = server
        self._scratch = scratch
        self._mountain = mountain
        self._name = name

    def look(self, setting: Setting, best: float) -> TunedPoint:
        """Serves `setting` and finds its rate; gives up as soon as it fails at the rate `best`."""
        began = time.monotonic()
        reloaded = self._scratch.rewrite(setting)
        try:
            self._load(reloaded)
            steps = climb_from(self._mountain, best) if best > 0 else self._from_below()
        except (GateError, UnavailableError) as error:
            return TunedPoint(
                setting=setting,
                verdict="does not load",
                rate=0.0,
                promise=0.0,
                reason=str(error),
                reloaded=reloaded,
                seconds=time.monotonic() - began,
            )
        rate = outcome.best_rate(steps)
        return TunedPoint(
            setting=setting,
            verdict="measured" if rate > 0 or best == 0 else "hopeless",
            rate=rate,
            promise=outcome.promise(steps, self._mountain.objective),
            steps=steps,
            reason=outcome.reason(steps, self._mountain.objective),
            reloaded=reloaded,
            seconds=time.monotonic() - began,
        )

    def _from_below(self) -> tuple[RateStep, ...]:
        return climb_from_below(self._mountain, saturation_seconds=self._mountain.step_seconds)

    def _load(self, changed: tuple[str, ...]) -> None:
        """Loads what has changed, and only that: asked for the ensemble, Triton looks which of its files are new."""
        if not self._server.running:
            self._server.restart()
        elif changed:
            self._server.load(self._name)


def _mountain(built: Built, plan: TuningPlan, server: TritonServer) -> Mountain:
    load = LoadPlan(
        model=built.report.name,
        grpc_url=server.grpc_url,
        grpc_users=_USERS,
        deadline_seconds=plan.deadline_seconds,
        seed=plan.seed,
    )
    return Mountain(
        plan=load,
        requests=make_requests(read_served_model(load), files=plan.files, seed=plan.seed),
        objective=parse_objective(plan.objective),
        step_seconds=plan.step_seconds,
        warmup_seconds=plan.warmup_seconds,
    )


def _question(built: Built, plan: TuningPlan, space: Space, points: int) -> dict[str, object]:
    """What makes the points of two runs answers to the same question."""
    return {
        "build": built.report.manifest_sha256,
        "objective": plan.objective,
        "axes": {name: list(values) for name, values in space.axes.items()},
        "step_seconds": plan.step_seconds,
        "points": points,
        "files": [file.name for file in plan.files],
        "seed": plan.seed,
    }


def _progress(
    looked: list[TunedPoint], known: int, points: int, began: float, doing: str, point: TunedPoint | None = None
) -> Progress:
    fresh = len(looked) - known
    return Progress(
        done=len(looked),
        points=points,
        best=max((one.rate for one in looked), default=0.0),
        left_seconds=(time.monotonic() - began) / fresh * (points - len(looked)) if fresh else None,
        doing=doing,
        point=point,
    )


def _notes(known: int, looked: list[TunedPoint], points: int) -> tuple[str, ...]:
    notes = ["server and load generator shared the machine"]
    if known:
        notes.append(f"{known} of the points are those of an earlier run that was interrupted")
    if len(looked) < points:
        notes.append("there was nothing left to look at before the last point")
    return tuple(notes)
