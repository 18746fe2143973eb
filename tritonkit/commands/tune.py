"""`tritonkit tune`: the best configuration of a built model under a latency budget."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tritonkit.commands import console, exit_codes
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from benchmarks.tune import Built, Progress, TuningPlan
    from tritonkit.commands.console import Step
    from tritonkit.spec.tuning import TunedPoint, TuningReport

EXAMPLE = 'tritonkit tune examples/efficientnet_lite0 --slo "p99<200ms" --max-drop 0.5 --write'
BAR = 24


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("spec", type=Path, help="model.yaml, or its folder; `tritonkit build` must have built it")
    parser.add_argument("--build", type=Path, metavar="FOLDER", help="what was built (default: out/NAME, as build's)")
    parser.add_argument(
        "--slo", required=True, metavar="TEXT", help='what must be met, such as "p99<50ms,errors<0.1%%"'
    )
    parser.add_argument(
        "--max-drop",
        type=float,
        default=0.5,
        metavar="POINTS",
        help="most accuracy that a variant may cost, in percentage points (default: %(default)s)",
    )
    parser.add_argument("--points", type=int, metavar="N", help="looks at a setting (default: about 12 %% of them all)")
    parser.add_argument(
        "--step-seconds", type=float, default=5.0, metavar="S", help="how long a rate is held (default: %(default)s)"
    )
    parser.add_argument(
        "--files",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="what to send, in turn (default: the spec's sample pictures; random numbers where there are none)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="tuning.json and tuning.html (default: BUILD/tuning)"
    )
    parser.add_argument("--restart", action="store_true", help="forget an earlier search instead of going on with it")
    parser.add_argument("--write", action="store_true", help="write the best setting into the spec; comments stay")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of arrivals")


def run(args: argparse.Namespace) -> int:
    """Searches; exit code 1 if no rate met the objective."""
    from benchmarks.tune import TuningPlan, read_built, tune  # noqa: PLC0415 - `--help` measures nothing

    spec = args.spec / "model.yaml" if args.spec.is_dir() else args.spec
    folder: Path = args.build or Path("out") / spec.absolute().parent.name
    built = read_built(folder)
    _check_same_model(spec, built)
    plan = TuningPlan(
        objective=args.slo,
        max_drop_points=args.max_drop,
        points=args.points,
        step_seconds=args.step_seconds,
        files=tuple(args.files) or _sample_pictures(spec, folder),
        seed=args.seed,
    )
    out: Path = args.out or folder / "tuning"
    with console.step("tune") as line:
        report = tune(built, plan, folder=out, watch=_watcher(line), restart=args.restart, command=_command())
        line.done(f"{len(report.points)} looks at {report.settings} settings")
    _write_report(report, plan, out)
    if args.json:
        console.print_json(report)
    else:
        console.emit(_text(report, out))
    if args.write:
        _write_spec(spec, report)
    return exit_codes.OK if report.winner is not None else exit_codes.NO


def _check_same_model(spec: Path, built: Built) -> None:
    from tritonkit.spec.model import load_model_spec  # noqa: PLC0415 - `--help` reads nothing

    name = load_model_spec(spec).name
    if name != built.report.name:
        raise InputError(
            "this is the build of another model", where=built.report.repository, got=built.report.name, expected=name
        )


def _sample_pictures(spec: Path, build: Path) -> tuple[Path, ...]:
    """The spec's own pictures; the build made further ones, with odd shapes, which traffic seldom has."""
    from tritonkit.spec.model import load_model_spec  # noqa: PLC0415 - `--help` reads nothing

    names = [reference.rpartition("/")[2] for reference in load_model_spec(spec).samples.pictures]
    return tuple(path for name in names if (path := build / "pictures" / name).is_file())


def _command() -> str:
    return shlex.join(["tritonkit", *sys.argv[1:]])


def _watcher(line: Step) -> Callable[[Progress], None]:
    """Keeps the live line; without a terminal, says each finished point instead."""

    def watch(progress: Progress) -> None:
        line.note(_bar(progress))
        if progress.point is not None and not sys.stderr.isatty():
            console.say(f"    {progress.done} of {progress.points}: {_told(progress.point)}{_left(progress)}")

    return watch


def _bar(progress: Progress) -> str:
    full = BAR * progress.done // max(1, progress.points)
    best = f"best {progress.best:.1f}/s" if progress.best else "nothing found yet"
    return f"[{'#' * full}{'.' * (BAR - full)}] {progress.done}/{progress.points}, {best}{_left(progress)}  {progress.doing}"


def _left(progress: Progress) -> str:
    if progress.left_seconds is None:
        return ""
    minutes, seconds = divmod(round(progress.left_seconds), 60)
    return f", {minutes}:{seconds:02} left"


def _told(point: TunedPoint) -> str:
    from benchmarks.tune.outcome import in_words  # noqa: PLC0415 - `--help` measures nothing

    figure = f"{point.rate:.1f}/s" if point.verdict == "measured" else point.verdict
    return f"{in_words(point.setting)}: {figure}"


def _write_report(report: TuningReport, plan: TuningPlan, out: Path) -> None:
    from benchmarks.slo import parse_objective  # noqa: PLC0415 - `--help` draws nothing
    from benchmarks.tune.outcome import ranked  # noqa: PLC0415
    from tritonkit.report.tuning_page import Row, draw_tuning  # noqa: PLC0415

    out.mkdir(parents=True, exist_ok=True)
    (out / "tuning.json").write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    rows = [Row(setting=one.setting, rate=one.rate, looks=one.looks, why=one.why) for one in ranked(report)]
    limit = parse_objective(plan.objective).latency_ms
    (out / "tuning.html").write_text(draw_tuning(report, rows, limit_ms=limit), encoding="utf-8")


def _text(report: TuningReport, out: Path) -> str:
    from benchmarks.tune.outcome import ranked  # noqa: PLC0415 - `--help` measures nothing

    header = ("setting", "rate/s", "looks", "verdict")
    rows = [
        ("own: " * (row.setting == report.own) + row.words, f"{row.rate:.1f}" if row.rate else "", row.looks, row.why)
        for row in ranked(report)
    ]
    parts = [console.table(header, rows, right=(1, 2))]
    parts += [f"left out: {name}: {why}" for name, why in report.excluded.items()]
    if report.winner is None:
        parts.append(f"no setting met {report.objective} at any rate that was tried")
    parts.append(f"{out / 'tuning.html'} shows every point")
    return "\n\n".join(parts)


def _write_spec(spec: Path, report: TuningReport) -> None:
    """Puts the winner into the spec, if what comes out is a spec.

    Raises:
        InputError: nothing was found, or the spec cannot be edited; it stays as it was.
    """
    from benchmarks.tune.write_spec import with_setting  # noqa: PLC0415 - `--help` writes nothing
    from tritonkit.spec.model import load_model_spec  # noqa: PLC0415

    if report.winner is None:
        raise InputError("there is nothing to write", where=spec, got=f"no setting met {report.objective}")
    staged = spec.with_name(f".{spec.name}.tuned")
    try:
        staged.write_text(with_setting(spec.read_text(encoding="utf-8"), report.winner), encoding="utf-8")
        load_model_spec(staged)
        staged.replace(spec)
    finally:
        staged.unlink(missing_ok=True)
    console.say(f"{spec}: `serving` is the winner's; build again to serve it")
