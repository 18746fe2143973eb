"""`tritonkit lint`: says, without a server, whether each model of a repository will load, and why not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tritonkit.commands import console, exit_codes
from tritonkit.repository.lint import lint_repository
from tritonkit.spec.ngc import DEFAULT_RELEASE, release

if TYPE_CHECKING:
    import argparse

    from tritonkit.spec.lint_report import LintReport, ModelVerdict

EXAMPLE = "tritonkit lint model_repository --triton 26.07"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's own arguments."""
    parser.add_argument("repository", metavar="REPOSITORY", type=Path, help="directory that holds the models")
    parser.add_argument(
        "--triton",
        metavar="YY.MM",
        default=DEFAULT_RELEASE,
        help=f"NGC release that is to load them (default: {DEFAULT_RELEASE})",
    )
    parser.add_argument(
        "--no-auto-complete",
        action="store_true",
        help="the server runs with --disable-auto-complete-config",
    )
    hosts = parser.add_mutually_exclusive_group()
    hosts.add_argument("--gpus", action="store_const", const=True, help="the server's host has GPUs")
    hosts.add_argument(
        "--no-gpus",
        dest="gpus",
        action="store_const",
        const=False,
        help="the server's host has no GPU (default: look at this one)",
    )
    parser.add_argument(
        "--ignore", metavar="RULE", action="append", default=[], help="leave a rule out; may be given several times"
    )


def run(args: argparse.Namespace) -> int:
    """Prints the verdicts: 0 if every model loads, 1 if one does not, 2 if there is no such repository."""
    report = lint_repository(
        args.repository,
        release(args.triton),
        gpus=args.gpus,
        auto_complete=not args.no_auto_complete,
        ignore=args.ignore,
    )
    if args.json:
        console.print_json(report)
    else:
        console.emit(_text(report, args.triton))
    return exit_codes.OK if report.loads else exit_codes.NO


def _text(report: LintReport, triton: str) -> str:
    width = max((len(model.name) for model in report.models), default=0)
    lines = [line for model in report.models for line in _model_lines(model, width)]
    loading = sum(model.loads for model in report.models)
    return "\n".join([*lines, f"{loading} of {len(report.models)} models load in Triton {triton}"])


def _model_lines(model: ModelVerdict, width: int) -> list[str]:
    lines = [f"{model.name:<{width}}  {'loads' if model.loads else 'does not load'}"]
    for problem in model.problems:
        place = f"{problem.file}: {problem.key}" if problem.key else problem.file
        lines += [
            f"  {problem.severity:<7}  {place}: {problem.cause} [{problem.rule}]",
            f"  {'fix':<7}  {problem.fix}",
        ]
    return lines
