"""The answer to an inference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .messages import Parameter


class Timing(NamedTuple):
    """Where the caller's time went, in seconds by the client's monotonic clock.

    Attributes:
        total: from the call to the answer, waiting and all attempts included.
        prepare: checking and encoding the inputs, and the first time also asking for the model's metadata.
        exchange: the attempt that succeeded, from sending to the last byte received.
        decode: turning the reply into arrays.
    """

    total: float
    prepare: float
    exchange: float
    decode: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """One line of a classified output.

    Attributes:
        score: the value at `index`.
        index: the position in the last dimension.
        label: the name that the model's label file gives it, or "".
    """

    score: float
    index: int
    label: str


# Not frozen: to make it takes a microsecond less, as for the named tuples of `messages.py`.
@dataclass(slots=True, eq=False, kw_only=True)
class Answer(Mapping[str, "NDArray[Any]"]):
    """The outputs by name, as numpy arrays, and how they came.

    Numbers are read-only views of the received bytes: `.copy()` one to change it. BYTES are object arrays of
    `bytes`.

    Attributes:
        arrays: the outputs by name, in the server's order.
        model: the model that answered.
        version: the version that answered.
        request_id: the id that the caller gave, or "".
        endpoint: the server that answered.
        attempts: how often the request was sent.
        timing: where the time went.
        parameters: what the server added to the answer.
    """

    arrays: Mapping[str, NDArray[Any]]
    model: str
    version: str
    request_id: str
    endpoint: str
    attempts: int
    timing: Timing
    parameters: Mapping[str, Parameter]

    def __getitem__(self, name: str) -> NDArray[Any]:
        try:
            return self.arrays[name]
        except KeyError:
            raise KeyError(f"no output {name!r}; this answer has {', '.join(self.arrays) or 'none'}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    def text(self, name: str) -> list[Any]:
        """The strings of a BYTES output as nested lists of `str`, read as UTF-8."""
        strings: list[Any] = _text(self[name].tolist())
        return strings

    def categories(self, name: str) -> list[list[Category]]:
        """The categories of an output that was asked for with `classes`, one list a sample, best first."""
        array = self[name]
        rows = array.reshape(-1, array.shape[-1]) if array.size else array.reshape(0, 0)
        return [[_category(element) for element in row] for row in rows]


def _text(value: Any) -> Any:
    if isinstance(value, list):
        return [_text(element) for element in value]
    return value.decode(errors="replace")


def _category(element: bytes) -> Category:
    # A label may itself contain colons.
    score, index, label, *_ = (*element.decode(errors="replace").split(":", 2), "")
    return Category(score=float(score), index=int(index), label=label)
