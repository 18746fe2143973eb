"""`tritonkit doctor`: what of this machine, and of a repository on it, would make serving fail."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tritonkit.commands import console, exit_codes
from tritonkit.server.doctor import examine_machine, examine_repository
from tritonkit.server.served import served_models
from tritonkit.spec.ngc import DEFAULT_RELEASE

if TYPE_CHECKING:
    import argparse

    from tritonkit.server.doctor import Finding

EXAMPLE = "tritonkit doctor model_repository"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the repository and the release."""
    parser.add_argument("repository", metavar="REPOSITORY", nargs="?", type=Path, help="look at this repository too")
    parser.add_argument(
        "--target", metavar="YY.MM", help=f"release to stand for (default: the manifests', else {DEFAULT_RELEASE})"
    )


def run(args: argparse.Namespace) -> int:
    """Prints what was found: 0 if nothing would fail, 1 if something would."""
    served = served_models(args.repository) if args.repository else None
    release = args.target or (served.target if served else None) or DEFAULT_RELEASE
    findings = [*examine_machine(release), *(examine_repository(args.repository, release) if args.repository else ())]
    if args.json:
        console.print_json([_document(finding) for finding in findings])
    else:
        for finding in findings:
            console.emit(_line(finding))
    return exit_codes.NO if any(finding.verdict == "fails" for finding in findings) else exit_codes.OK


def _line(finding: Finding) -> str:
    advice = f"\n{'':28}{finding.advice}" if finding.advice else ""
    return f"{finding.verdict:<6} {finding.subject:<20} {finding.detail}{advice}"


def _document(finding: Finding) -> dict[str, str]:
    return {
        "subject": finding.subject,
        "verdict": finding.verdict,
        "detail": finding.detail,
        "advice": finding.advice,
    }
