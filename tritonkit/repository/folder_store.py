"""A model repository in a folder: whole folders come by rename, one file changes by `os.replace`, one publisher at once.

Beside the repository lies `.NAME.tritonkit/`, with the lock, what is being staged and what was rejected. It cannot lie
inside: Triton takes every folder of a repository for a model.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tritonkit.repository.digests import first_difference, read_tree
from tritonkit.repository.stored import Listing, Stored
from tritonkit.spec.errors import ConflictError, InputError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class FolderStore:
    """The repository in the folder `root`, which need not exist yet."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._resolved = root.resolve()
        self._beside = self._resolved.parent / f".{self._resolved.name}.tritonkit"

    @property
    def address(self) -> str:
        """The folder, as the user said it."""
        return str(self.root)

    @contextmanager
    def publisher(self) -> Iterator[Path]:
        """Holds the repository's lock; yields an empty staging folder on the same file system."""
        self._require_room()
        with _said_plainly(self._beside):
            self._beside.mkdir(parents=True, exist_ok=True)
            lock = (self._beside / "lock").open("w")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConflictError(
                    "another publisher is at work in this repository", where=self.root, hint="try again when it is done"
                ) from None
            staging = self._beside / "staging"
            # What is there was left by a publisher that was killed: this one holds the lock.
            shutil.rmtree(staging, ignore_errors=True)
            try:
                with _said_plainly(self.root):
                    staging.mkdir()
                    yield staging
            finally:
                shutil.rmtree(staging, ignore_errors=True)

    def list(self, path: str) -> Listing:
        """What lies directly in the folder `path`; nothing where there is none."""
        folder = self.root / path
        entries = sorted(folder.iterdir()) if folder.is_dir() else []
        return Listing(
            files=tuple(entry.name for entry in entries if not entry.is_dir()),
            folders=tuple(entry.name for entry in entries if entry.is_dir()),
        )

    def read(self, path: str) -> Stored | None:
        """The file at `path`; `None` where there is none."""
        file = self.root / path
        return Stored(data=file.read_bytes()) if file.is_file() else None

    def put_folder(self, source: Path, path: str) -> None:
        """Renames `source`, which must lie in the staging folder, to `path`.

        Raises:
            ConflictError: other content is there.
        """
        target = self.root / path
        if target.exists():
            difference = first_difference(read_tree(source), read_tree(target))
            if difference is not None:
                raise ConflictError(
                    "this name is taken by other content",
                    where=target,
                    got=difference,
                    hint="nothing was changed; if what is there is damaged, move it away and publish again",
                )
            return
        _sync_tree(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
        _sync(target.parent)

    def replace(self, path: str, data: bytes, before: Stored | None) -> None:
        """One `os.replace`, brought to the disk before and after.

        Raises:
            ConflictError: another hand changed the file since it was read.
        """
        if self.read(path) != before:
            raise ConflictError("this file was changed by another hand meanwhile", where=self.root / path)
        staged = self._beside / "staging" / "replacement"
        staged.write_bytes(data)
        _sync(staged)
        os.replace(staged, self.root / path)  # noqa: PTH105 - the field's name for this step
        _sync((self.root / path).parent)

    def remove(self, path: str) -> None:
        """Takes a folder out whole, by rename, before it is deleted; a file is unlinked."""
        target = self.root / path
        if not target.is_dir():
            target.unlink(missing_ok=True)
            return
        doomed = self._beside / "staging" / "removed"
        target.rename(doomed)
        shutil.rmtree(doomed)

    def as_folder(self, paths: Sequence[str], scratch: Path) -> Path:
        """The repository itself."""
        del paths, scratch
        return self.root

    def set_aside(self, source: Path, label: str) -> str:
        """Moves `source` into the quarantine beside the repository; an older one of that label goes."""
        target = self._beside / "quarantine" / label
        target.parent.mkdir(exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        source.rename(target)
        return str(target)

    def _require_room(self) -> None:
        if self._resolved.exists() and not self._resolved.is_dir():
            raise InputError("the repository is no folder", where=self.root)
        parent = self._resolved.parent
        is_root = self._resolved == parent
        if is_root or (self._resolved.exists() and self._resolved.stat().st_dev != parent.stat().st_dev):
            raise InputError(
                "the repository is the root of a file system, which leaves no room beside it to stage in",
                where=self.root,
                hint="make a folder in it and publish there; Triton must not mount a volume's root (lost+found)",
            )


@contextmanager
def _said_plainly(where: Path) -> Iterator[None]:
    """A full disk, a read-only one and the like, as an error of the kit's."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            "the repository cannot be written",
            where=error.filename or where,
            got=error.strerror or error,
            hint="what is served was not changed; mend the cause and run it again",
        ) from error


def _sync_tree(folder: Path) -> None:
    """Brings every byte below `folder` to the disk: a rename must not outlive the power that its content lost."""
    for path in folder.rglob("*"):
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
