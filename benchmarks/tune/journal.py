"""The points looked at so far, one JSON line each, so that a search goes on after a kill where it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import ValidationError

from tritonkit.spec.errors import InputError
from tritonkit.spec.tuning import TunedPoint

if TYPE_CHECKING:
    from pathlib import Path


class Journal:
    """A file that begins with the question and goes on with one point a line.

    Args:
        path: the file; it is made when the first point comes.
        question: what the points answer: a journal that answers another question is not gone on with.
    """

    def __init__(self, path: Path, question: dict[str, object]) -> None:
        self._path = path
        self._question = question

    def read(self) -> tuple[TunedPoint, ...]:
        """The points; a last line that a kill cut short is dropped from the file too.

        Raises:
            InputError: the file answers another question, or is no journal.
        """
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ()
        whole, _, rest = text.rpartition("\n")
        if rest:
            self._path.write_text(f"{whole}\n" if whole else "", encoding="utf-8")
        lines = whole.splitlines()
        if not lines:
            return ()
        try:
            asked = json.loads(lines[0])
            points = tuple(TunedPoint.model_validate_json(line) for line in lines[1:])
        except (ValueError, ValidationError) as error:
            raise InputError(
                "this is no journal of a search", where=self._path, got=str(error).splitlines()[0]
            ) from None
        # Compared as JSON, which has lists where Python has tuples.
        if asked != json.loads(json.dumps(self._question)):
            differing = sorted(key for key in self._question if asked.get(key) != self._as_json(key))
            raise InputError(
                "an earlier search in this folder asked something else",
                where=self._path,
                got=", ".join(differing),
                hint="--restart forgets it, --out names another folder",
            )
        return points

    def _as_json(self, key: str) -> object:
        return json.loads(json.dumps(self._question[key]))

    def add(self, point: TunedPoint) -> None:
        """Writes `point` down before the next one is begun."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = not self._path.exists() or self._path.stat().st_size == 0
        with self._path.open("a", encoding="utf-8") as file:
            if new:
                file.write(json.dumps(self._question) + "\n")
            file.write(point.model_dump_json() + "\n")

    def forget(self) -> None:
        """Starts anew."""
        self._path.unlink(missing_ok=True)
