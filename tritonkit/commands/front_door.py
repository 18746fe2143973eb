"""`tritonkit`: finds the verb, parses its arguments, turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import importlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from tritonkit.commands import console, exit_codes
from tritonkit.spec.errors import KitError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Command(Protocol):
    """What every module of `VERBS` offers."""

    EXAMPLE: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds the verb's own arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Does the work and returns an exit code."""


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb, the module that does it and the line that `tritonkit --help` prints of it."""

    name: str
    summary: str

    def load(self) -> Command:
        """Imports the verb's module; only the verb that runs is ever imported."""
        return cast("Command", importlib.import_module(f"tritonkit.commands.{self.name}"))


# In the order of the work. Explicit, so that a reader and a type checker see what there is.
VERBS: tuple[Verb, ...] = (
    Verb("train", "a recipe and labelled data -> trained weights"),
    Verb("new", "a network's factory and one example of its input -> a folder that builds"),
    Verb("build", "trained weights -> a verified candidate repository"),
    Verb("publish", "a verified candidate -> the next version in a model repository"),
    Verb("rollback", "serve the previous published version again"),
    Verb("sign", "sign a candidate with a key"),
    Verb("verify", "check digests and signatures of a repository, bit for bit"),
    Verb("prune", "remove parts that no kept version calls"),
    Verb("lint", "say, without a server, whether each model of a repository will load"),
    Verb("serve", "run a real Triton on a repository, in the foreground"),
    Verb("doctor", "say what of this machine, and of a repository on it, would make serving fail"),
    Verb("parity", "replay a golden bundle against any Triton and compare its answers"),
    Verb("infer", "send files to a served model and print its answers"),
    Verb("health", "say whether a server, and which of its models, are ready"),
    Verb("metadata", "say what a server serves, and what a model takes and gives"),
    Verb("evaluate", "measure a served model's answers to a labelled data set"),
    Verb("bench", "load-test a served model"),
    Verb("tune", "find the best configuration of a built model under a latency budget"),
    Verb("deploy", "write the Helm chart's values from a repository, and install them"),
    Verb("report", "draw the HTML page of a build"),
)


def _parser(verb: Verb | None) -> argparse.ArgumentParser:
    """The parser of `tritonkit`, with the arguments of `verb` alone: the others are not imported."""
    listing = "\n".join(f"  {v.name:<10} {v.summary}" for v in VERBS)
    parser = argparse.ArgumentParser(
        prog="tritonkit",
        usage="tritonkit VERB [OPTIONS]",
        description="From trained weights to a verified, load-tested Triton deployment.",
        epilog=f"verbs:\n{listing}\n\n`tritonkit VERB --help` explains a verb, with an example.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    if verb is None:
        return parser
    command = verb.load()
    parser = argparse.ArgumentParser(
        prog=f"tritonkit {verb.name}",
        description=verb.summary,
        epilog=f"example:\n  {command.EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    parser.add_argument("--debug", action="store_true", help="print the traceback of an error too")
    return parser


def _find(name: str) -> Verb | None:
    return next((verb for verb in VERBS if verb.name == name), None)


def _print_version() -> int:
    from importlib.metadata import version  # noqa: PLC0415 - only this flag needs it

    console.emit(f"tritonkit {version('tritonkit')}")
    return exit_codes.OK


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `tritonkit` with `argv` and returns its exit code.

    Errors of the kit print as one line on stderr (with `--json`, as one JSON document on stdout); any other
    exception is a defect of the kit and shows its traceback.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = arguments[0] if arguments else "--help"
    verb = _find(name)
    return _run(verb, arguments[1:]) if verb else _answer_without_verb(name)


def _run(verb: Verb, arguments: Sequence[str]) -> int:
    args = _parser(verb).parse_args(arguments)
    try:
        return verb.load().run(args)
    except KitError as error:
        if args.debug:
            raise
        if args.json:
            console.print_json(error.as_dict())
        else:
            console.say(f"tritonkit {verb.name}: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED


def _answer_without_verb(name: str) -> int:
    if name.startswith("-"):
        return _print_version() if _parser(None).parse_args([name]).version else exit_codes.OK
    import difflib  # noqa: PLC0415 - only a mistyped verb needs it

    near = difflib.get_close_matches(name, [verb.name for verb in VERBS], n=1)
    advice = f"did you mean {near[0]}?" if near else "`tritonkit --help` lists the verbs"
    console.say(f"tritonkit: there is no verb {name!r}; {advice}")
    return exit_codes.USAGE
