"""`tritonkit parity`: replays a golden bundle against any Triton. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from builder.golden import read_golden
from builder.prove import ask_server, parity_report, server_version
from clients import ClientError
from tritonkit.commands import console, exit_codes
from tritonkit.repository.layout import golden_folder
from tritonkit.spec.errors import InputError, UnavailableError

if TYPE_CHECKING:
    import argparse

    from tritonkit.spec.parity import ParityReport, Protocol

EXAMPLE = "tritonkit parity http://127.0.0.1:8000 grpc://127.0.0.1:8001 --model efficientnet_lite0"

_PROTOCOLS: dict[str, Protocol] = {"http": "http", "https": "http", "grpc": "grpc", "grpcs": "grpc"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("urls", nargs="+", metavar="URL", help="http://HOST:PORT or grpc://HOST:PORT; best both")
    parser.add_argument("--model", help="served name; its bundle is looked for in --repository")
    parser.add_argument("--repository", type=Path, default=Path("model_repository"), help="default: %(default)s")
    parser.add_argument("--golden", type=Path, help="the bundle's folder, instead of --model and --repository")


def run(args: argparse.Namespace) -> int:
    """Asks, compares, prints; exit code 1 if an answer differs."""
    if args.golden is None and args.model is None:
        raise InputError("which bundle?", expected="--model NAME, or --golden FOLDER")
    golden = read_golden(args.golden or golden_folder(args.repository, args.model))
    protocols = {url: _protocol(url) for url in args.urls}
    comparisons = []
    try:
        for url, protocol in protocols.items():
            comparisons += ask_server(golden, url, protocol)
        version = server_version(args.urls[0])
    except ClientError as error:
        raise UnavailableError("the server did not answer the bundle's questions", got=error) from error
    report = parity_report(golden, comparisons, asked=", ".join(args.urls), server=version)
    if not comparisons:
        raise InputError(
            "none of the bundle's questions can be asked there",
            where=golden.bundle.name,
            got="; ".join(f"{protocol}: {why}" for protocol, why in report.not_offered.items()),
            expected="a grpc:// URL",
        )
    if args.json:
        console.print_json(report)
    else:
        console.emit(_table(report))
    return exit_codes.OK if report.passed else exit_codes.NO


def _protocol(url: str) -> Protocol:
    scheme = url.partition("://")[0]
    if scheme not in _PROTOCOLS:
        raise InputError(
            "this URL has no protocol of Triton's", got=url, expected="http://HOST:PORT or grpc://HOST:PORT"
        )
    return _PROTOCOLS[scheme]


def _table(report: ParityReport) -> str:
    rows = [
        (
            comparison.level.replace("_", " "),
            comparison.output,
            comparison.protocol,
            comparison.batch,
            f"{comparison.worst_absolute:.2g}",
            f"{comparison.used:.1%}",
            "equal" if comparison.passed else f"DIFFERS: {comparison.problem}",
        )
        for comparison in report.comparisons
    ]
    header = ("level", "output", "protocol", "batch", "worst", "of allowed", "verdict")
    count = sum(not comparison.passed for comparison in report.comparisons)
    verdict = "all equal" if report.passed else f"{count} of {len(report.comparisons)} differ"
    left_out = "".join(f"\n{protocol}: {why}" for protocol, why in report.not_offered.items())
    return f"{console.table(header, rows, right=(3, 4, 5))}\n\n{report.name} on {report.server}: {verdict}{left_out}"
