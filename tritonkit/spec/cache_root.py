"""Where the kit keeps what it can make again: environments, stage results, logs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """The folder of everything that may be deleted at any time.

    `$TRITONKIT_CACHE`, else `tritonkit` below `$XDG_CACHE_HOME` (XDG Base Directory Specification), else
    `~/.cache/tritonkit`. It need not exist yet.
    """
    chosen = os.environ.get("TRITONKIT_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    xdg = os.environ.get("XDG_CACHE_HOME")
    # The XDG specification tells programs to ignore a relative path there.
    base = Path(xdg) if xdg and Path(xdg).is_absolute() else Path.home() / ".cache"
    return base / "tritonkit"
