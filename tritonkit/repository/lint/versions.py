"""Version directories, read as the server reads them (core, model_lifecycle.cc `VersionsToLoad`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tritonkit.repository.config import ModelConfig

# Directories of a model that are no versions.
RESERVED_FOLDERS = ("warmup", "initial_state", "configs")

_INT64 = 2**63
_LEADING_NUMBER = re.compile(r"[ \t\n\v\f\r]*([+-]?\d+)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """What the server makes of a model's directories.

    Attributes:
        present: number by directory name. The server reads the digits a name begins with: `2.tmp` is version 2.
        chosen: the numbers that the version policy loads, newest first.
        absent: numbers that a `specific` policy names and that are not there.
        overflowing: names whose number does not fit into 64 bits, which end the server process.
        ignored: names that are no version, with leading zeros or without a number.
    """

    present: dict[str, int]
    chosen: tuple[int, ...]
    absent: tuple[int, ...]
    overflowing: tuple[str, ...]
    ignored: tuple[str, ...]


def read_versions(subfolders: Sequence[str], config: ModelConfig) -> Versions:
    """Applies the version policy of `config` to the directories `subfolders`."""
    present: dict[str, int] = {}
    overflowing: list[str] = []
    ignored: list[str] = []
    for name in subfolders:
        match = _LEADING_NUMBER.match(name)
        if name in RESERVED_FOLDERS:
            continue
        if match is None or (len(name) > 1 and name.startswith("0")):
            ignored.append(name)
        elif not -_INT64 <= int(match[1]) < _INT64:
            overflowing.append(name)
        else:
            present[name] = int(match[1])
    numbers = sorted(set(present.values()), reverse=True)
    chosen, absent = _choose(numbers, config)
    return Versions(
        present=present,
        chosen=tuple(chosen),
        absent=tuple(absent),
        overflowing=tuple(overflowing),
        ignored=tuple(ignored),
    )


def _choose(numbers: list[int], config: ModelConfig) -> tuple[list[int], list[int]]:
    """The numbers to load and those that are asked for in vain."""
    policy = config.version_policy
    if policy.HasField("specific"):
        wanted = sorted(set(policy.specific.versions), reverse=True)
        return [n for n in wanted if n in numbers], [n for n in wanted if n not in numbers]
    if policy.HasField("latest"):
        return numbers[: policy.latest.num_versions], []
    # A policy without a choice means all; no policy at all means the latest one.
    return (numbers, []) if config.HasField("version_policy") else (numbers[:1], [])
