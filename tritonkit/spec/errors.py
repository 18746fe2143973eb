"""What the kit raises.

    KitError                 exit code 1
    ├── GateError            1   a check was made and the answer is no
    ├── InputError           2   a document, a file or an argument that the user gave is wrong
    ├── UnavailableError     3   something that is needed is not here: a server, a port, a program
    └── ConflictError        4   somebody else was there first: a used version number, another publisher

Every error says the same five things, so that its reader never has to ask the next question, and it
prints as one line.
"""

from __future__ import annotations

from pathlib import Path


class KitError(Exception):
    """A failure that the user can act on.

    Attributes:
        what: what failed, as a sentence without its full stop.
        where: the file (with `:line`), key, model or address where it failed.
        got: what was found there.
        expected: what would have been right.
        hint: what to do next.
        log_path: the full log of the child process that failed, if one did.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        where: str | Path | None = None,
        got: object = None,
        expected: object = None,
        hint: str | None = None,
        log_path: Path | None = None,
    ) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.got = None if got is None else str(got)
        self.expected = None if expected is None else str(expected)
        self.hint = hint
        self.log_path = log_path
        super().__init__(what)

    def __str__(self) -> str:
        parts = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.got is not None:
            parts.append(f"got {self.got}")
        if self.expected is not None:
            parts.append(f"expected {self.expected}")
        if self.hint is not None:
            parts.append(self.hint)
        if self.log_path is not None:
            parts.append(f"full log: {self.log_path}")
        return "; ".join(" ".join(part.split()) for part in parts)

    def as_dict(self) -> dict[str, str | None]:
        """The five fields, the class and the log, for `--json` and for a child's result file."""
        return {
            "error": type(self).__name__,
            "what": self.what,
            "where": self.where,
            "got": self.got,
            "expected": self.expected,
            "hint": self.hint,
            "log_path": None if self.log_path is None else str(self.log_path),
        }


class GateError(KitError):
    """A check was made and the answer is no: parity, lint, a model that does not load."""


class InputError(KitError):
    """A document, a file or an argument that the user gave is wrong."""

    exit_code = 2


class UnavailableError(KitError):
    """Something that is needed is not here: a server, a port, a program, a network."""

    exit_code = 3


class ConflictError(KitError):
    """Somebody else was there first: a used version number, another publisher."""

    exit_code = 4


_BY_NAME: dict[str, type[KitError]] = {
    cls.__name__: cls for cls in (KitError, GateError, InputError, UnavailableError, ConflictError)
}


def from_dict(fields: dict[str, str | None]) -> KitError:
    """The error that `KitError.as_dict` wrote down, as a stage's child does for its parent."""
    log_path = fields.get("log_path")
    return _BY_NAME[fields["error"] or "KitError"](
        fields["what"] or "",
        where=fields.get("where"),
        got=fields.get("got"),
        expected=fields.get("expected"),
        hint=fields.get("hint"),
        log_path=None if log_path is None else Path(log_path),
    )
