"""`tritonkit report`: the documents in a build's output folder -> `report.html` beside them."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tritonkit.commands import console, exit_codes
from tritonkit.spec.errors import GateError, InputError

if TYPE_CHECKING:
    import argparse

    from tritonkit.spec.parity import ParityReport
    from tritonkit.spec.reports import BuildReport, LoadReport

EXAMPLE = "tritonkit report out/efficientnet_lite0 --load load.json"

Parsed = TypeVar("Parsed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's own arguments."""
    parser.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="output of a build: build.json, and where there are load.json, answers.json, pictures/, drawn/, skew/",
    )
    parser.add_argument("--load", type=Path, metavar="FILE", help="load test to show (default: FOLDER/load.json)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="page to write (default: FOLDER/report.html)")


def run(args: argparse.Namespace) -> int:
    """Draws the page and prints where it is."""
    from tritonkit.report import draw_report  # noqa: PLC0415 - `--help` draws nothing
    from tritonkit.spec.parity import ParityReport  # noqa: PLC0415
    from tritonkit.spec.reports import Answered, BuildReport, LoadReport  # noqa: PLC0415

    folder: Path = args.folder
    out: Path = args.out or folder / "report.html"
    rejected = None
    if (folder / "failed.json").exists():
        rejected = _read(folder / "failed.json", ParityReport, hint="build again")
        _require_candidate(folder, rejected)
    build = _read(folder / "build.json", BuildReport, hint="give the output folder of `tritonkit build`")
    load = _read_load(args.load, folder, LoadReport)
    answers: list[Answered] = []
    if (folder / "answers.json").exists():
        answers = _read(
            folder / "answers.json", list[Answered], hint="a list of objects with file, protocol, milliseconds, classes"
        )
    page = draw_report(
        build,
        load=load,
        answers=answers,
        pictures=_read_pictures(folder / "pictures"),
        commands=_commands(build, load, folder),
        rejected=rejected,
        drawn=_read_pictures(folder / "drawn"),
        skewed=_read_pictures(folder / "skew"),
    )
    _write(out, page)
    if args.json:
        console.print_json({"report": str(out)})
    else:
        console.emit(str(out))
    return exit_codes.OK


def _require_candidate(folder: Path, rejected: ParityReport) -> None:
    """Says why a folder without a candidate has none."""
    problem = rejected.first_problem()
    if not (folder / "build.json").exists():
        raise GateError(
            "the build failed, and there is no earlier candidate to draw",
            where=folder / "failed.json",
            got=f"{problem.output}: {problem.problem}" if problem else None,
            hint="mend the model and build again",
        )


def _read_load(given: Path | None, folder: Path, document: type[LoadReport]) -> LoadReport | None:
    """The load test that was asked for, or the one that lies in the folder, if there is one."""
    path = given or folder / "load.json"
    if given is None and not path.exists():
        return None
    return _read(path, document, hint="`tritonkit bench` writes such a file")


def _read(path: Path, document: type[Parsed], *, hint: str) -> Parsed:
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - `--help` reads nothing

    try:
        return TypeAdapter(document).validate_json(path.read_bytes())
    except OSError as error:
        raise InputError("the file cannot be read", where=path, got=error.strerror, hint=hint) from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise InputError(f"{key}: {first['msg']}" if key else first["msg"], where=path, hint=hint) from None


def _read_pictures(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        return {}
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def _commands(build: BuildReport, load: LoadReport | None, folder: Path) -> list[tuple[str, str]]:
    """A sentence and a command line for each step from the weights to this page."""
    from tritonkit.repository.layout import CANDIDATE_VERSION, GOLDEN  # noqa: PLC0415 - only a failed build needs it

    repository, where = shlex.quote(build.repository), shlex.quote(str(folder))
    golden = shlex.quote(f"{build.repository}/{build.name}/{CANDIDATE_VERSION}/{GOLDEN}")
    commands = [
        ("Build and verify the candidate", build.command),
        ("Say without a server whether its models load", f"tritonkit lint {repository} --triton {build.target}"),
        ("Serve the candidate", f"tritonkit serve {repository} --http-port 8000 --grpc-port 8001 --metrics-port 8002"),
        (
            "Ask it again what the weights answered",
            f"tritonkit parity http://127.0.0.1:8000 grpc://127.0.0.1:8001 --golden {golden}",
        ),
    ]
    if load is not None:
        commands.append(("Repeat the load test", load.command))
    return [
        *commands,
        ("Publish it as the next version", f"tritonkit publish {where} --to model_repository"),
        ("Draw this page", f"tritonkit report {where}"),
    ]


def _write(path: Path, page: str) -> None:
    """Writes `page` whole or not at all: a page that a browser has open is never seen half."""
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        staged.write_text(page, encoding="utf-8")
        staged.replace(path)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise InputError("the page cannot be written", where=path, got=error.strerror, hint="give --out") from None
