"""Which models of a repository are served by name, and which only work for them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tritonkit.repository.config import parse_config
from tritonkit.spec.errors import InputError
from tritonkit.spec.manifest import Manifest

if TYPE_CHECKING:
    from pathlib import Path

# Either file in a version folder says that the kit built that ensemble.
KIT_FILES = ("manifest.json", "published.json")
# What the server's environment holds in any case.
OWN_PACKAGES = frozenset({"numpy", "pillow", "onnxruntime"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModels:
    """What a repository serves.

    Attributes:
        names: the served names, sorted.
        everything: whether loading them loads every model of the repository, so that model control can stay off.
        built_by_kit: whether every served model carries a manifest of the kit: its configuration is complete.
        target: the release that all its manifests name; `None` without one, or if they differ.
        packages: what its Python steps import beyond the server's own packages, as requirements.
    """

    names: tuple[str, ...]
    everything: bool
    built_by_kit: bool
    target: str | None
    packages: tuple[str, ...]


def is_remote(repository: str | Path) -> bool:
    """Whether `repository` is an object store's address, which only the server itself can look into."""
    return "://" in str(repository)


def served_models(repository: Path) -> ServedModels:
    """The served names of the folder `repository`.

    A repository without anything of the kit's serves all that it holds. In one with ensembles of the kit, parts that
    no ensemble calls any more, of an older or a half-written version, are not served.

    Raises:
        InputError: there is no such folder, or it holds no model.
    """
    folders = model_folders(repository)
    called = {step for folder in folders for step in _called_models(folder)}
    kit = {folder.name for folder in folders if _is_kit_ensemble(folder)}
    left_over = {folder.name for folder in folders for owner in kit if folder.name.startswith(f"{owner}_")} - kit
    manifests = [manifest for folder in folders if folder.name in kit for manifest in _manifests(folder)]
    targets = {manifest.target for manifest in manifests}
    names = tuple(folder.name for folder in folders if folder.name not in called | left_over)
    return ServedModels(
        names=names,
        everything=not kit,
        built_by_kit=bool(names) and kit.issuperset(names),
        target=next(iter(targets)) if len(targets) == 1 else None,
        packages=tuple(
            sorted(
                {
                    f"{package}=={version}"
                    for manifest in manifests
                    for part in manifest.parts
                    for package, version in part.python_packages.items()
                    if package.lower() not in OWN_PACKAGES
                }
            )
        ),
    )


def _manifests(folder: Path) -> list[Manifest]:
    """The manifests of an ensemble's versions. One that does not parse is `tritonkit verify`'s to report."""
    manifests = []
    for path in sorted(folder.glob("*/manifest.json")):
        with contextlib.suppress(OSError, ValueError):
            manifests.append(Manifest.model_validate_json(path.read_bytes()))
    return manifests


def model_folders(repository: Path) -> tuple[Path, ...]:
    """The folders that Triton takes for models: every one directly below `repository`.

    Raises:
        InputError: there is no such folder, it cannot be read, or it holds no model.
    """
    try:
        folders = tuple(sorted(path for path in repository.iterdir() if path.is_dir()))
    except FileNotFoundError:
        raise InputError("this model repository does not exist", where=repository) from None
    except OSError as error:
        raise InputError("this model repository cannot be read", where=repository, got=error.strerror) from None
    if not folders:
        raise InputError(
            "this model repository holds no model", where=repository, expected="a folder MODEL/1 with the model's file"
        )
    return folders


def _called_models(folder: Path) -> tuple[str, ...]:
    """The models that the ensemble in `folder` calls. A configuration that does not parse is the server's to report."""
    try:
        text = (folder / "config.pbtxt").read_text(encoding="utf-8")
        config = parse_config(text, where=str(folder / "config.pbtxt"), allow_unknown_fields=True)
    except (OSError, UnicodeDecodeError, InputError):
        return ()
    return tuple(step.model_name for step in config.ensemble_scheduling.step)


def _is_kit_ensemble(folder: Path) -> bool:
    return any((version / name).is_file() for version in folder.iterdir() if version.is_dir() for name in KIT_FILES)
