"""The one seam between publication and the place where a repository lies: a folder or an object store.

Publication needs little: to put a new folder there whole, to replace one file at once, and to know whether somebody else
did so meanwhile. A file system has renames and locks for that, an object store conditional writes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tritonkit.repository.folder_store import FolderStore
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from tritonkit.repository.stored import Listing, Stored

SCHEMES = ("s3://", "gs://")


class Store(Protocol):
    """A model repository, wherever it lies. Paths are relative to it, with forward slashes."""

    @property
    def address(self) -> str:
        """Where it lies, as the user said it."""

    def publisher(self) -> AbstractContextManager[Path]:
        """Yields an empty folder on this machine, outside every repository, to stage in.

        Raises:
            ConflictError: another publisher is at work, where the store can tell.
        """

    def list(self, path: str) -> Listing:
        """What lies directly in the folder `path`; nothing where there is none."""

    def read(self, path: str) -> Stored | None:
        """The file at `path`; `None` where there is none."""

    def put_folder(self, source: Path, path: str) -> None:
        """Puts the folder `source` at `path`; afterwards `source` may be gone.

        Equal content that is there already is left there; what a killed publisher left half-written is completed.

        Raises:
            ConflictError: other content is there.
        """

    def replace(self, path: str, data: bytes, before: Stored | None) -> None:
        """Makes `data` the file at `path`; whoever reads sees the old or the new.

        Args:
            path: the file.
            data: its new content.
            before: what the caller read there.

        Raises:
            ConflictError: that is no longer what is there.
        """

    def remove(self, path: str) -> None:
        """Removes the file or folder at `path`; none there is no error."""

    def as_folder(self, paths: Sequence[str], scratch: Path) -> Path:
        """A folder on this machine that holds these files and folders: the repository itself, or a copy in `scratch`."""

    def set_aside(self, source: Path, label: str) -> str:
        """Moves the folder `source` to a place outside the repository, and returns that place."""


def open_store(repository: str | Path) -> Store:
    """The store at `repository`: a folder, or `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`.

    Addresses are written as Triton takes them: `s3://https://HOST:PORT/BUCKET/PREFIX` names another endpoint.

    Raises:
        InputError: the address has no meaning.
        UnavailableError: object stores need a package that is not installed.
    """
    address = str(repository)
    if address.startswith(SCHEMES):
        from tritonkit.repository.object_store import ObjectStore  # noqa: PLC0415 - folders need no client of a cloud

        return ObjectStore(address)
    if "://" in address:
        raise InputError(
            "nothing can be published there", got=address, expected=f"a folder, or one of {', '.join(SCHEMES)}"
        )
    return FolderStore(Path(address))
