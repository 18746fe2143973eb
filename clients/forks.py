"""What a fork breaks, mended: locks that another thread held, and knowing that connections are the parent's."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Guarded(Protocol):
    """An object whose state a lock guards."""

    lock: threading.Lock


_owners: weakref.WeakSet[Guarded] = weakref.WeakSet()
_generation = 0


def generation() -> int:
    """How many forks lie between the process that imported this and the one that asks; cheaper than its id."""
    return _generation


def guard(owner: Guarded) -> None:
    """Gives `owner` a lock, and a new one in each child: a thread of the parent may hold it at the fork, for ever."""
    owner.lock = threading.Lock()
    _owners.add(owner)


def _in_child() -> None:
    global _generation  # noqa: PLW0603 - the process has one history
    _generation += 1
    for owner in list(_owners):
        owner.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
