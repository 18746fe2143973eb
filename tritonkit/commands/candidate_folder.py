"""Which folder is meant by a candidate's name on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def candidate_folder(given: Path) -> Path:
    """The candidate's repository: the folder `repository` in what `tritonkit build` wrote, or that folder itself."""
    inside = given / "repository"
    return inside if inside.is_dir() else given
