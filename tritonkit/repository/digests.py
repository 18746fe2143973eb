"""sha256 of files and of whole folders."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from tritonkit.spec.errors import InputError
from tritonkit.spec.manifest import Tree

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def file_digest(path: Path) -> str:
    """sha256 of the bytes of `path`, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def bytes_digest(data: bytes) -> str:
    """sha256 of `data`, in hex."""
    return hashlib.sha256(data).hexdigest()


def text_digest(text: str) -> str:
    """sha256 of `text` in UTF-8, in hex."""
    return bytes_digest(text.encode())


def read_tree(root: Path, *, without: Collection[str] = ()) -> Tree:
    """Digests of every file below `root`, and the list of every folder.

    Args:
        root: the folder.
        without: paths of files, relative to `root`, that are left out.

    Raises:
        InputError: something there is neither a plain file nor a folder, or has a second name. A link or a device can
            change what it shows without changing the tree; an object store keeps neither.
    """
    files: dict[str, str] = {}
    directories: list[str] = []
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise InputError("only plain files and folders belong here", where=path, hint="put the file itself there")
        if path.is_file() and path.stat().st_nlink > 1:
            raise InputError(
                "this file is a hard link: it can be changed under another name", where=path, hint="copy the file there"
            )
        if path.is_dir():
            directories.append(name)
        elif name not in without:
            files[name] = file_digest(path)
    return Tree(files=files, directories=tuple(directories))


def tree_digest(tree: Tree) -> str:
    """One sha256 over a whole tree."""
    return text_digest(json.dumps(tree.model_dump(mode="json"), sort_keys=True))


def first_difference(expected: Tree, found: Tree) -> str | None:
    """What differs between two trees, as the end of a sentence; `None` where nothing does."""
    for name in sorted(expected.files.keys() | found.files.keys()):
        if name not in found.files:
            return f"{name} is missing"
        if name not in expected.files:
            return f"{name} was added"
        if expected.files[name] != found.files[name]:
            return f"{name} was changed"
    for name in sorted(set(expected.directories) ^ set(found.directories)):
        return f"the folder {name} " + ("was added" if name in found.directories else "is missing")
    return None
