"""Figures as a reader wants them; the page's template calls these as filters."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tritonkit.evaluation.axes import number, share

if TYPE_CHECKING:
    from tritonkit.spec.model import Tolerance
    from tritonkit.spec.parity import Comparison

PROTOCOL_NAMES = {"in process": "in process", "grpc": "gRPC", "http": "HTTP"}

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def scientific(value: float) -> str:
    """Two digits and a power of ten where that is easier to read: 0.042, 3.1 x 10⁻⁶."""
    if not math.isfinite(value):
        return "∞" if math.isinf(value) else "not a number"
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return number(value)
    digits, power = f"{value:.1e}".split("e")
    return f"{digits}\N{MULTIPLICATION SIGN}10{str(int(power)).translate(_SUPERSCRIPTS)}"


def figure(value: float) -> str:
    """A measured figure for a column: three significant digits, zeros at the end kept."""
    return number(value, zeros=True)


def seconds(value: float) -> str:
    """A duration: 340 ms, 4.2 s, 2 min 05 s."""
    if value < 1:
        return f"{number(1000 * value)} ms"
    if value < 60:
        return f"{number(value)} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02} s"


def parameters(count: int) -> str:
    """A count of weights: 4.65 million."""
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if count >= size:
            return f"{number(count / size)} {word}"
    return f"{count:,}"


def moment(text: str) -> str:
    """An ISO 8601 time as `2026-11-24 14:03 UTC`; what is no such time stays as it is."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if when.tzinfo else text


def used(comparison: Comparison) -> str:
    """How much of its tolerance a comparison used; where none was given, whether the answers are the same."""
    if comparison.used == 0:
        return "equal"
    return share(comparison.used) if comparison.tolerance else "differs"


def allowed(tolerance: Tolerance | None) -> str:
    """What a tolerance lets pass, as a sentence's end."""
    if tolerance is None:
        return "exactly equal"
    text = f"within {scientific(tolerance.absolute)}"
    if tolerance.relative:
        text += f" + {scientific(tolerance.relative)} of the reference"
    return f"{text}, cosine at least {tolerance.cosine:g}" if tolerance.cosine else text
