"""`tritonkit evaluate`: what a served model's answers to a labelled data set are worth."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import platform
import shlex
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from tritonkit.commands import console, exit_codes
from tritonkit.commands.calling import add_server_arguments, client_errors, client_options, server_urls
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from tritonkit.evaluation.datasets.dataset import DataSet
    from tritonkit.evaluation.requirements import Bound
    from tritonkit.spec.evaluation import Estimate, EvaluationReport

EXAMPLE = """tritonkit evaluate out/resnet18_fashion --data examples/resnet18_fashion/recipe.yaml
  tritonkit evaluate grpc://127.0.0.1:8001 resnet18_fashion --data examples/resnet18_fashion/recipe.yaml \\
    --require "accuracy>0.893,macro_f1>0.901\""""

REPORT, PAGE = "evaluation.json", "evaluation.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    add_server_arguments(parser, folder=True)
    parser.set_defaults(timeout=60.0)
    parser.add_argument("model", nargs="?", help="the served name (default: the only one of the repository)")
    parser.add_argument(
        "--data",
        required=True,
        metavar="RECIPE|FUNCTION",
        help="the recipe that names the data set, or `module:function` that returns it; its test split is asked",
    )
    parser.add_argument("--samples", type=int, metavar="N", help="ask only the first N samples of the test split")
    parser.add_argument("--output", metavar="NAME", help="output to read numbers from, where several could be meant")
    parser.add_argument(
        "--batch", type=int, default=32, metavar="N", help="samples in a request (default: %(default)s)"
    )
    parser.add_argument(
        "--concurrency", type=int, default=4, metavar="N", help="requests in flight (default: %(default)s)"
    )
    parser.add_argument(
        "--require",
        default="",
        metavar="TEXT",
        help='bounds to keep, such as "accuracy>0.893,macro_f1>0.901" or "mse<3000"; exit code 1 if one is not kept',
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help=f"{REPORT} and {PAGE} (default: out/MODEL)")


def run(args: argparse.Namespace) -> int:
    """Asks the whole test split, prints the figures; exit code 1 if a bound is not kept."""
    for name in ("samples", "batch", "concurrency"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise InputError(f"--{name} is a count", got=getattr(args, name), expected="1 or more")
    data = _load(args.data)
    bounds = _bounds(args.require, data)
    with _server(args) as (url, model), console.step("evaluate") as line:
        report = _evaluate(args, url, model, data, bounds, line)
        line.done(f"{report.data.samples} samples of {data.name} in {report.seconds:.0f} s")
    out: Path = args.out or Path("out") / model
    _write(report, data, out)
    if args.json:
        console.print_json(report)
    else:
        console.emit(_text(report, out))
    return exit_codes.OK if all(one.met for one in report.requirements) else exit_codes.NO


def _load(named: str) -> DataSet:
    from tritonkit.evaluation.datasets.dataset import load_dataset  # noqa: PLC0415 - `--help` loads nothing

    file = Path(named)
    if file.suffix in {".yaml", ".yml"}:
        from tritonkit.spec.recipe import load_recipe  # noqa: PLC0415 - only a recipe is read

        data = load_recipe(file).data
        return load_dataset(data.source, data.arguments, file.parent)
    if ":" not in named:
        raise InputError("this names no data set", got=named, expected="RECIPE.yaml or module:function")
    return load_dataset(named, {}, Path())


def _bounds(text: str, data: DataSet) -> tuple[Bound, ...]:
    """Read before anything is asked: a slip of the pen must not cost the answers."""
    from tritonkit.evaluation.requirements import parse_bounds  # noqa: PLC0415 - `--help` judges nothing

    return parse_bounds(text, "classification" if data.classes else "regression")


@contextlib.contextmanager
def _server(args: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """The server's address and the model's name; a folder is served as long as this lasts."""
    if not Path(args.server).is_dir():
        urls = server_urls(args)
        if len(urls) > 1 or args.model is None:
            raise InputError(
                "a live server is asked over one protocol, for a model", where=args.server, expected="MODEL"
            )
        yield urls[0], args.model
        return
    from tritonkit.commands.candidate_folder import candidate_folder  # noqa: PLC0415 - a live server needs none
    from tritonkit.server import ServerOptions, TritonServer  # noqa: PLC0415
    from tritonkit.server.served import served_models  # noqa: PLC0415
    from tritonkit.spec.ngc import DEFAULT_RELEASE  # noqa: PLC0415

    repository = candidate_folder(Path(args.server))
    served = served_models(repository)
    if args.model is None and len(served.names) != 1:
        raise InputError("which model?", where=repository, expected=f"one of {', '.join(served.names)}")
    model = args.model or served.names[0]
    options = ServerOptions(
        repository, models=(model,), release=served.target or DEFAULT_RELEASE, packages=served.packages
    )
    with TritonServer(options, progress=console.say) as server:
        yield server.http_url if args.protocol == "http" else server.grpc_url, model


def _evaluate(
    args: argparse.Namespace, url: str, model: str, data: DataSet, bounds: tuple[Bound, ...], line: console.Step
) -> EvaluationReport:
    from clients import Client  # noqa: PLC0415 - `--help` asks nobody
    from tritonkit.commands.served_answers import ask, questions_for  # noqa: PLC0415
    from tritonkit.evaluation.datasets.dataset import first_of_test, split_digest  # noqa: PLC0415
    from tritonkit.evaluation.evaluate import evaluate  # noqa: PLC0415
    from tritonkit.evaluation.requirements import judge  # noqa: PLC0415
    from tritonkit.spec.evaluation import EvaluatedData, EvaluationReport  # noqa: PLC0415

    asked = first_of_test(data, args.samples) if args.samples else data
    count = len(asked.test.samples)
    started, began = dt.datetime.now(dt.UTC), time.monotonic()
    with client_errors(), Client(url, **client_options(args)) as client:
        about, server = client.metadata(model), client.server_metadata()
        questions = questions_for(client, model, data, output=args.output, batch=args.batch)
        predict = ask(
            client,
            questions,
            asked,
            concurrency=args.concurrency,
            progress=lambda done: line.note(f"{done} of {count} samples of {data.name}"),
        )
        figures = evaluate(predict, asked)
    return EvaluationReport(
        model=model,
        version=about.versions[-1],
        data=EvaluatedData(
            name=data.name,
            source=args.data,
            samples=count,
            test=len(data.test.samples),
            test_sha256=split_digest(data.test),
        ),
        figures=figures,
        requirements=judge(figures, bounds),
        server=f"{server.name} {server.version}",
        protocol="http" if url.startswith("http") else "grpc",
        batch=questions.batch,
        concurrency=args.concurrency,
        seconds=time.monotonic() - began,
        machine=f"{platform.machine()}, {os.cpu_count()} cores",
        tools={name: version(name) for name in ("numpy", "pillow", "tritonclient")},
        started_at=started.isoformat(timespec="seconds"),
        command=shlex.join(["tritonkit", *sys.argv[1:]]),
    )


def _write(report: EvaluationReport, data: DataSet, out: Path) -> None:
    from tritonkit.report.evaluation_page import draw_evaluation  # noqa: PLC0415 - `--help` draws nothing

    texts = {
        out / REPORT: report.model_dump_json(indent=1) + "\n",
        out / PAGE: draw_evaluation(report, _pictures_of(report, data)),
    }
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError("the report cannot be written", where=path, got=error.strerror) from None


def _pictures_of(report: EvaluationReport, data: DataSet) -> dict[int, bytes]:
    """The pictures behind the mistakes that the report lists, as PNG by sample."""
    from tritonkit.commands.served_answers import as_png  # noqa: PLC0415 - as above

    if report.figures.task != "classification" or data.test.samples.dtype.name != "uint8":
        return {}
    return {one.sample: as_png(data.test.samples[one.sample]) for one in report.figures.mistakes}


def _text(report: EvaluationReport, out: Path) -> str:
    from tritonkit.evaluation.requirements import FIGURES  # noqa: PLC0415 - as above

    figures = report.figures
    rows = [_row(name, getattr(figures, name)) for name in FIGURES[figures.task]]
    parts = [console.table(("figure", "value", "95 % sure"), rows, right=(1, 2))]
    if figures.task == "classification":
        by_class = [
            (one.name, one.samples, *(_short(value) for value in (one.precision, one.recall, one.f1, one.auc)))
            for one in figures.classes
        ]
        header = ("class", "samples", "precision", "recall", "F1", "AUC")
        parts.append(console.table(header, by_class, right=(1, 2, 3, 4, 5)))
    if report.requirements:
        parts.append("\n".join(f"{'kept' if one.met else 'NOT KEPT'}: {one.text}" for one in report.requirements))
    parts.append(f"{out / PAGE} shows them with their intervals")
    return "\n\n".join(parts)


def _row(name: str, estimate: Estimate | None) -> tuple[str, str, str]:
    words = name.replace("_", " ")
    if estimate is None:
        return words, "", ""
    return words, f"{estimate.value:.4f}", f"{estimate.low:.4f} to {estimate.high:.4f}"


def _short(estimate: Estimate | None) -> str:
    return "" if estimate is None else f"{estimate.value:.3f}"
