"""Data that Debian packages: used where it is installed, else downloaded and unpacked without installing anything.

The mirror is the one that apt is configured with; no right to install is needed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tritonkit.repository.digests import file_digest, text_digest
from tritonkit.spec.cache_root import cache_root
from tritonkit.spec.errors import InputError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianData:
    """Files of a Debian package.

    Attributes:
        package: its name.
        folder: where its files lie, below the root.
        files: each file's name and its sha256. Whoever sends them, these are the ones.
    """

    package: str
    folder: str
    files: Mapping[str, str]


def fetch_debian_data(data: DebianData, chosen: Path | None = None) -> dict[str, Path]:
    """The files of `data`, each with the right digest.

    Args:
        data: what is wanted.
        chosen: a folder that holds the files; nowhere else is looked then.

    Raises:
        InputError: a file in `chosen` is missing or another one.
        UnavailableError: the files are not here, and the package cannot be downloaded or unpacked.
    """
    if chosen is not None:
        return _checked(data, chosen)
    installed = Path("/") / data.folder
    cached = cache_root() / "datasets" / _key(data)
    for place in (installed, cached):
        if all((place / name).is_file() for name in data.files):
            return _checked(data, place)
    _download(data, cached)
    return _checked(data, cached)


def _key(data: DebianData) -> str:
    """Package and content: other files are another folder."""
    digests = "".join(data.files[name] for name in sorted(data.files))
    return f"{data.package}-{text_digest(digests)[:12]}"


def _checked(data: DebianData, folder: Path) -> dict[str, Path]:
    for name, expected in data.files.items():
        path = folder / name
        if not path.is_file():
            raise InputError(
                "the data set's file is not there", where=path, expected=", ".join(data.files), hint="copy it there"
            )
        if (got := file_digest(path)) != expected:
            raise InputError(
                "the file is not the one that was published",
                where=path,
                got=f"sha256 {got}",
                expected=expected,
                hint="delete it, so that it is fetched again",
            )
    return {name: folder / name for name in data.files}


def _download(data: DebianData, target: Path) -> None:
    """Downloads and unpacks the package; `target` appears whole or not at all."""
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise _unavailable(data, f"this machine has no {program}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpacking-") as temporary:
        work = Path(temporary)
        _run(data, ["apt-get", "download", data.package], work)
        packages = sorted(work.glob("*.deb"))
        if not packages:
            raise _unavailable(data, "apt-get downloaded nothing")
        _run(data, ["dpkg-deb", "--extract", packages[0].name, "files"], work)
        unpacked = work / "files" / data.folder
        if not unpacked.is_dir():
            raise _unavailable(data, f"the package holds no {data.folder}")
        try:
            unpacked.replace(target)
        except OSError:
            # Another process was first, with the same files; if it was not, the check that follows says so.
            if not target.is_dir():
                raise


def _run(data: DebianData, command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise _unavailable(data, f"`{' '.join(command)}` took longer than {_SECONDS} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise _unavailable(data, f"`{' '.join(command)}`: {lines[-1]}")


def _unavailable(data: DebianData, got: str) -> UnavailableError:
    return UnavailableError(
        "the data set is not here and could not be fetched",
        where=f"Debian package {data.package}",
        got=got,
        expected=f"its files in /{data.folder}",
        hint=f"install it (`apt-get install {data.package}`; after `apt-get update` where it is not found), or name the "
        f"folder with {', '.join(data.files)}",
    )
