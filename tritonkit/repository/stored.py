"""What is read from a repository, whatever it lies in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A file as it was read.

    Attributes:
        data: its content.
        e_tag: what the object store calls this content; `None` in a folder.
        generation: what Google's store calls this write; `None` elsewhere.
    """

    data: bytes
    e_tag: str | None = None
    generation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What lies directly in a folder.

    Attributes:
        files: names of files, sorted.
        folders: names of folders, sorted.
    """

    files: tuple[str, ...]
    folders: tuple[str, ...]
