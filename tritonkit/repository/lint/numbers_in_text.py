"""Numbers and truth values as the server reads them from strings."""

from __future__ import annotations

import re
from typing import Literal

_LEADING_INTEGER = re.compile(r"[ \t\n\v\f\r]*([+-]?\d+)", re.ASCII)
_TRUTH_VALUES = frozenset({"true", "on", "1", "false", "off", "0"})

Reading = int | Literal["invalid", "overflow"]


def read_int(text: str, *, bits: int = 32) -> Reading:
    """`text` as std::stoi and std::stoll read it: the digits that it begins with, whatever follows them.

    Returns:
        The number; `invalid` where it begins with none, which the server reports; `overflow` where the number does not
        fit, which is an uncaught exception.
    """
    match = _LEADING_INTEGER.match(text)
    if match is None:
        return "invalid"
    number = int(match[1])
    return number if -(2 ** (bits - 1)) <= number < 2 ** (bits - 1) else "overflow"


def is_truth_value(text: str) -> bool:
    """Whether the backends' `ParseBoolValue` takes `text`."""
    return text.lower() in _TRUTH_VALUES
