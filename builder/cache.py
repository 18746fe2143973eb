"""Where finished stages are kept, and what makes two runs of a stage the same run."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tritonkit.repository.digests import file_digest, read_tree, tree_digest
from tritonkit.spec.cache_root import cache_root

if TYPE_CHECKING:
    from collections.abc import Mapping

_KIT = Path(__file__).parent.parent


def stage_folder(stage: str, key: str) -> Path:
    """The folder of one finished stage."""
    return cache_root() / "stages" / stage / key


def stage_key(stage: str, sources: tuple[str, ...], request: object, inputs: Mapping[str, Path]) -> str:
    """sha256 over all that a stage's result depends on.

    Args:
        stage: its name.
        sources: the kit's folders whose code it runs.
        request: its parameters, as JSON values; no path may be in it.
        inputs: files and folders that it reads, by name; what counts is their content, not where they lie.
    """
    facts = {
        "stage": stage,
        "request": request,
        "inputs": {name: _content(path) for name, path in sorted(inputs.items())},
        "kit": {folder: _code_digest(folder) for folder in sources},
        "packages": _installed_packages(),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _content(path: Path) -> str:
    return file_digest(path) if path.is_file() else tree_digest(read_tree(path))


@cache
def _code_digest(folder: str) -> str:
    digest = hashlib.sha256()
    for source in sorted((_KIT / folder).rglob("*.py")):
        digest.update(source.relative_to(_KIT).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()


@cache
def _installed_packages() -> tuple[str, ...]:
    """Name and version of everything importable, read from the names of the `.dist-info` folders.

    Reading their metadata instead takes 20 times as long, and an unchanged build must answer at once.
    """
    return tuple(
        sorted(
            {
                entry.name.removesuffix(".dist-info")
                for folder in sys.path
                if folder and Path(folder).is_dir()
                for entry in os.scandir(folder)
                if entry.name.endswith(".dist-info")
            }
        )
    )
