"""Names and places in a model repository that the kit has written.

REPOSITORY/
    NAME/                    the ensemble, under the served name
        config.pbtxt         names the parts and the one version that is served: replacing it is the commit
        N/                   a published version
            config.pbtxt     what NAME/config.pbtxt is while this version is served
            manifest.json    what was built, and the digest of its proof
            manifest.sig     signature of manifest.json, where it was signed
            parity.json      the proof
            published.json   the ledger's line
            golden/          questions and answers that prove a served version anywhere
    NAME_PART_DIGEST/        a part: immutable, named by its content, shared by versions
        config.pbtxt
        1/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tritonkit.repository.config import parse_config
from tritonkit.spec.errors import InputError
from tritonkit.spec.manifest import Manifest

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = "config.pbtxt"
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
PARITY = "parity.json"
PUBLISHED = "published.json"
GOLDEN = "golden"
CANDIDATE_VERSION = 1
"""A candidate's ensemble is version 1 of its own repository; publication gives it its number."""


def version_numbers(folder: Path) -> list[int]:
    """The numbers of the version folders in a model's `folder`, in no order."""
    if not folder.is_dir():
        return []
    return [int(entry.name) for entry in folder.iterdir() if entry.is_dir() and entry.name.isdecimal()]


def served_version(repository: Path, name: str) -> int | None:
    """The version that a server started now would serve under `name`; `None` where nothing is published.

    Raises:
        InputError: the configuration there is none that the kit wrote.
    """
    file = repository / name / CONFIG
    return version_in_config(file.read_text(encoding="utf-8"), str(file)) if file.is_file() else None


def version_in_config(text: str, where: str) -> int:
    """The one version that an ensemble's configuration serves.

    Args:
        text: its config.pbtxt.
        where: its place, for errors.

    Raises:
        InputError: the configuration is none that the kit wrote.
    """
    versions = list(parse_config(text, where=where).version_policy.specific.versions)
    if len(versions) != 1:
        raise InputError(
            "this configuration was not written by the kit",
            where=where,
            got=f"version policy for {len(versions)} versions",
            expected="`version_policy { specific { versions: [N] } }`",
            hint="publish under another name, or move what is there out of the repository",
        )
    return int(versions[0])


def golden_folder(repository: Path, name: str) -> Path:
    """The golden bundle of the version of `name` that is served.

    Raises:
        InputError: nothing is published under that name.
    """
    number = served_version(repository, name)
    if number is None:
        raise InputError(
            "nothing is published under this name",
            where=repository,
            got=name,
            hint="tritonkit publish puts a candidate there; or name the folder with --golden",
        )
    return repository / name / str(number) / GOLDEN


def read_manifest(folder: Path) -> Manifest:
    """The manifest in a version folder.

    Raises:
        InputError: there is none, or it is not whole.
    """
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            "there is no readable manifest",
            where=folder / MANIFEST,
            got=" ".join(str(error).split()[:30]),
            hint="only `tritonkit build` writes one, for what has passed its gates",
        ) from None
