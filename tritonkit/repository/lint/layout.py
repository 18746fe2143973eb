"""Rules on directories: what the server takes for a model, for a version, and what ends or wedges it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tritonkit.repository.lint.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tritonkit.repository.lint.findings import ModelFacts, Repository


def stray_directory(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A directory without a configuration and without anything to guess one from is taken for a model and fails."""
    del repository
    if is_stray(model):
        yield Finding(
            file=model.name,
            cause="the server takes every directory of a repository for a model, and nothing here says what model",
            fix="move the directory out of the repository, or give it a config.pbtxt and a version directory",
        )


def is_stray(model: ModelFacts) -> bool:
    """Whether the directory shows no sign of being meant as a model."""
    return model.text is None and (model.backend_error is not None or not model.versions.present)


def config_missing(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Without auto-complete a directory without config.pbtxt is not loaded at all."""
    if model.text is None and not repository.target.auto_complete:
        yield Finding(
            file=model.name,
            cause="there is no config.pbtxt, and a server that does not complete configurations needs one",
            fix="write a config.pbtxt, or start the server without --disable-auto-complete-config",
        )


def directory_name(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """`name` must be the directory's name."""
    del repository
    if model.config.name != model.name:
        yield Finding(
            key="name",
            cause=f"directory name must equal model name: {model.name!r} is the directory of {model.config.name!r}",
            fix=f"rename the directory to {model.config.name!r}, or leave `name` out",
        )


def version_overflow(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A version number beyond 64 bits is an uncaught exception: the whole server aborts."""
    del repository
    for name in model.versions.overflowing:
        yield Finding(
            file=f"{model.name}/{name}",
            cause="the number does not fit into 64 bits, and reading it aborts the whole server",
            fix="give the version a small number, as 1",
        )


def no_version(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """The version policy must choose at least one version that is there."""
    del repository
    versions = model.versions
    if versions.chosen or versions.overflowing or is_stray(model):
        return
    if not versions.present:
        cause, fix = "it has no version directory", "put the model file into a directory called 1"
    elif versions.absent:
        cause = (
            f"version_policy names {_listed(versions.absent)} alone, and there is {_listed(versions.present.values())}"
        )
        fix = "name a version that is there"
    else:
        cause, fix = "version_policy chooses none of its versions", "set latest { num_versions: 1 }, or leave it out"
    yield Finding(file=model.name, key="version_policy" if versions.present else "", cause=cause, fix=fix)


def version_folder_name(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """The server reads the number that a name begins with, then opens the directory of exactly that number."""
    del repository
    for name, number in model.versions.present.items():
        # An ensemble's version directory is never opened.
        if name != str(number) and _is_loaded_from(model, number) and not model.is_ensemble:
            yield Finding(
                file=f"{model.name}/{name}",
                cause=f"the server takes {name!r} for version {number} and finds no directory {str(number)!r}",
                fix=f"rename it to {number}, or move it out of the model's directory",
            )


def version_folder_ambiguous(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A second name for a number, or a number that is not chosen, is harmless until the policy changes."""
    del repository
    for name, number in model.versions.present.items():
        if name != str(number) and (model.is_ensemble or not _is_loaded_from(model, number)):
            yield Finding(
                file=f"{model.name}/{name}",
                cause=f"the server takes {name!r} for version {number}",
                fix="move it out of the model's directory, or begin its name with a dot",
            )


def _is_loaded_from(model: ModelFacts, number: int) -> bool:
    """Whether version `number` is to be loaded and no directory of exactly that name is there."""
    return number in model.versions.chosen and str(number) not in model.subfolders


def version_folder_ignored(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Directories that are no version are passed over; a number with leading zeros may have been meant as one."""
    del repository
    for name in model.versions.ignored:
        if name[0].isdigit():
            yield Finding(
                file=f"{model.name}/{name}",
                cause=f"the server ignores {name!r} because of its leading zero",
                fix=f"rename it to {name.lstrip('0') or '0'} if it is a version",
            )


def version_absent(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A version that a `specific` policy names and that is not there is only logged, if another one loads."""
    del repository
    if model.versions.chosen and model.versions.absent:
        yield Finding(
            key="version_policy.specific.versions",
            cause=f"{_listed(model.versions.absent)} is not there and will not be served",
            fix="leave it out, or publish it",
        )


def version_negative(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A negative number cannot be asked for, and a python model of version -1 is waited for for ever."""
    del repository
    for number in model.versions.chosen:
        if number < 0:
            yield Finding(
                file=f"{model.name}/{number}",
                cause=f"the server takes it for version {number}, may wait for it for ever, and cannot be asked for it",
                fix="rename it to a positive number, or move it out of the model's directory",
            )


def empty_ensemble_version(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Git and object stores keep no empty directory, and an ensemble without a version directory does not load."""
    del repository
    if not model.is_ensemble:
        return
    for number in model.versions.chosen:
        folder = model.folder / str(number)
        if folder.is_dir() and not any(folder.iterdir()):
            yield Finding(
                file=f"{model.name}/{number}",
                cause="the version directory is empty, and git and object stores keep no empty directory",
                fix="put a small file into it",
            )


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in numbers)
