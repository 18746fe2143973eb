"""Records how far every setting of a small grid gets on this machine, for the proof of `tritonkit tune`'s search.

    python benchmarks/comparisons/record_tuning_grid.py out/efficientnet_lite0 --out grid.jsonl --repeats 2

One line a setting and repeat; each repeat goes through all settings in an order of its own, so that a slow hour of the
machine does not fall on neighbours in the grid. What is recorded already is not measured again: kill it, or bound it by
`--limit-seconds`, and start it again as often as the machine must do something else. At the end it says how much the
repeats of a setting differ.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.payloads import make_requests
from benchmarks.plan import LoadPlan
from benchmarks.served_model import read_served_model
from benchmarks.slo import parse_objective
from benchmarks.tune.built import read_built
from benchmarks.tune.climb import Mountain, climb_from_below
from benchmarks.tune.outcome import best_rate, promise
from benchmarks.tune.scratch import Scratch
from benchmarks.tune.space import Space
from tritonkit.server import ServerOptions, TritonServer
from tritonkit.spec.errors import InputError, KitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.tune.built import Built
    from tritonkit.spec.tuning import Setting


def main() -> None:
    """Measures what is missing, one line after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path, help="output folder of `tritonkit build`")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines; continued if it exists")
    parser.add_argument("--slo", default="p95<200ms,errors<1%", help="objective (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=2, help="of every setting (default: %(default)s)")
    parser.add_argument("--step-seconds", type=float, default=2.0, help="how long a rate is held (%(default)s)")
    parser.add_argument("--files", type=Path, nargs="+", help="what to send (default: the build's pictures)")
    parser.add_argument("--limit-seconds", type=float, default=float("inf"), help="stop after a point that ends later")
    args = parser.parse_args()
    built = read_built(args.build)
    grid = list(grid_of(built).settings())
    question = {"build": built.report.manifest_sha256, "objective": args.slo, "step_seconds": args.step_seconds}
    missing = _missing(grid, args.repeats, recorded(args.out, question))
    print(f"{len(grid)} settings, {args.repeats} repeats, {len(missing)} points to measure", flush=True)
    until = time.monotonic() + args.limit_seconds
    with tempfile.TemporaryDirectory(prefix="tritonkit-grid-") as folder:
        scratch = Scratch(built, Path(folder) / "repository")
        options = ServerOptions(scratch.folder, models=(built.report.name,), release=built.report.target)
        with TritonServer(options) as server:
            mountain = _mountain(built, server, args)
            for number, (repeat, setting) in enumerate(missing, 1):
                if time.monotonic() > until:
                    break
                scratch.rewrite(setting)
                line = _measure(server, built.report.name, mountain, setting)
                with args.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({**question, "repeat": repeat, **line}) + "\n")
                print(f"{number} of {len(missing)}: {line['promise']:.1f}/s in {line['seconds']:.0f} s", flush=True)
    print(_told_noise(recorded(args.out, question)))


def grid_of(built: Built) -> Space:
    """Every setting of a grid that shows the axes' effects on a small machine and can be measured in an evening."""
    own = built.own
    return Space(
        axes={
            "variant": tuple(built.variants),
            "instances": (1, 2, 3),
            "threads": (1, 2),
            "max_batch_size": (1, 4, 16),
            "max_queue_delay_microseconds": (0, 2000, 10_000),
            "preprocess_instances": (1, 2) if own.preprocess_instances is not None else (None,),
        },
        own=own,
    )


def recorded(out: Path, question: dict[str, Any]) -> list[dict[str, Any]]:
    """The points in `out`; a last line that a kill cut short is dropped from the file too.

    Raises:
        InputError: they answer another question.
    """
    text = out.read_text(encoding="utf-8") if out.exists() else ""
    whole, newline, rest = text.rpartition("\n")
    if rest:
        out.write_text(whole + newline, encoding="utf-8")
    lines = [json.loads(line) for line in whole.splitlines()]
    for key, value in question.items():
        others = {line[key] for line in lines} - {value}
        if others:
            raise InputError(f"this grid was recorded with another {key}", where=out, got=value, expected=others.pop())
    return lines


def noise(lines: Sequence[Mapping[str, Any]]) -> float | None:
    """Standard deviation of one look at a setting, as a part of its rate; none without repeats.

    The middle one of the settings' own, so that single disturbed points do not decide it.
    """
    looks: dict[str, list[float]] = {}
    for line in lines:
        if line["promise"] > 0:
            looks.setdefault(json.dumps(line["setting"]), []).append(math.log(line["promise"]))
    deviations = [statistics.stdev(several) for several in looks.values() if len(several) > 1]
    # Of two repeats, the deviation's median is 0.67 of the true one (that of the half-normal distribution).
    return statistics.median(deviations) / 0.6745 if deviations else None


def _told_noise(lines: Sequence[Mapping[str, Any]]) -> str:
    told = noise(lines)
    return "no setting was looked at twice" if told is None else f"noise of one look: {told:.1%} of a setting's rate"


def _missing(grid: list[Setting], repeats: int, lines: Sequence[Mapping[str, Any]]) -> list[tuple[int, Setting]]:
    done = {(line["repeat"], json.dumps(line["setting"])) for line in lines}
    missing = []
    for repeat in range(repeats):
        order = random.Random(repeat).sample(grid, len(grid))  # noqa: S311 - an order, no secret
        missing += [(repeat, one) for one in order if (repeat, json.dumps(one.model_dump())) not in done]
    return missing


def _mountain(built: Built, server: TritonServer, args: argparse.Namespace) -> Mountain:
    plan = LoadPlan(model=built.report.name, grpc_url=server.grpc_url, grpc_users=8, deadline_seconds=5.0)
    pictures = sorted((args.build / "pictures").glob("*"))
    files = args.files or [path for path in pictures if not path.name.startswith("edge_")]
    return Mountain(
        plan=plan,
        requests=make_requests(read_served_model(plan), files=files),
        objective=parse_objective(args.slo),
        step_seconds=args.step_seconds,
        warmup_seconds=0.5,
    )


def _measure(server: TritonServer, name: str, mountain: Mountain, setting: Setting) -> dict[str, object]:
    began, load = time.monotonic(), os.getloadavg()[0]
    try:
        server.load(name)
        steps = climb_from_below(mountain, saturation_seconds=mountain.step_seconds)
        reason = ""
    except KitError as error:
        steps, reason = (), str(error)
    return {
        "setting": setting.model_dump(),
        "rate": best_rate(steps),
        "promise": promise(steps, mountain.objective),
        "steps": [[s.offered, s.answered, s.p50, s.p95, s.p99, s.met] for s in steps],
        "reason": reason,
        "seconds": round(time.monotonic() - began, 1),
        "load_before": round(load, 2),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


if __name__ == "__main__":
    main()
