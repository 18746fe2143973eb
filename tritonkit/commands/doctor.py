"""`tritonkit doctor`: what of this machine and of a repository on it, or of a cluster, would make serving fail."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from builder.engines.backend_choice import choose_backend
from builder.engines.gpus import find_gpus
from tritonkit.commands import console, exit_codes
from tritonkit.commands.release_findings import Release, examine_release
from tritonkit.repository.layout import CONFIG, version_numbers
from tritonkit.server.doctor import Finding, examine_machine, examine_repository
from tritonkit.server.served import served_models
from tritonkit.spec.errors import InputError, UnavailableError
from tritonkit.spec.ngc import DEFAULT_RELEASE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

EXAMPLE = "tritonkit doctor model_repository"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the repository, and what it is to run on."""
    parser.add_argument("repository", metavar="REPOSITORY", nargs="?", type=Path, help="look at this repository too")
    parser.add_argument(
        "--target", metavar="YY.MM", help=f"release to stand for (default: the manifests', else {DEFAULT_RELEASE})"
    )
    parser.add_argument(
        "--model-config-name",
        metavar="NAME",
        help="the server's flag of that name, as sm86: say which backend and file each model with profiles will take",
    )
    parser.add_argument(
        "--release",
        type=Path,
        metavar="VALUES",
        help="look at kubectl's cluster instead: what would fail of a release of the chart with these values",
    )
    parser.add_argument("--name", default="triton", help="name of that release (default: %(default)s)")
    parser.add_argument("--namespace", default="default", help="its namespace (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Prints what was found: 0 if nothing would fail, 1 if something would."""
    if args.release:
        findings = [*_of_release(args)]
    else:
        findings = [*_of_machine(args.repository, args.target, args.model_config_name)]
    if args.json:
        console.print_json([_document(finding) for finding in findings])
    else:
        for finding in findings:
            console.emit(_line(finding))
    return exit_codes.NO if any(finding.verdict == "fails" for finding in findings) else exit_codes.OK


def _of_machine(repository: Path | None, target: str | None, config_name: str | None) -> Iterator[Finding]:
    served = served_models(repository) if repository else None
    release = target or (served.target if served else None) or DEFAULT_RELEASE
    yield from examine_machine(release)
    if repository:
        yield from examine_repository(repository, release)
        yield from _choices(repository, config_name)


def _of_release(args: argparse.Namespace) -> Iterator[Finding]:
    if args.repository:
        raise InputError("a repository and --release are two questions", hint="ask them one after the other")
    if not args.release.is_file():
        raise InputError("there is no such file of values", where=args.release, hint="`tritonkit deploy` writes one")
    yield from examine_release(Release(values=args.release, name=args.name, namespace=args.namespace))


def _choices(repository: Path, config_name: str | None) -> Iterator[Finding]:
    """Which backend and file a server will take for each model that has a choice."""
    folders = [entry for entry in sorted(repository.iterdir()) if (entry / CONFIG).is_file()]
    for folder in (folder for folder in folders if (folder / "configs").is_dir()):
        choice = choose_backend(folder, max(version_numbers(folder), default=1), config_name, _compute_capability())
        yield Finding(
            subject=folder.name,
            verdict="fails" if choice.problem else "ok",
            detail=f"{choice.backend} takes {choice.file} ({choice.because})"
            + (f"; {choice.problem}" if choice.problem else ""),
            advice="leave --model-config-name out to serve the ONNX file" if choice.problem and config_name else "",
        )


def _compute_capability() -> str | None:
    try:
        gpus = find_gpus()
    except UnavailableError:
        return None
    return gpus[0].compute_capability if gpus else None


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
