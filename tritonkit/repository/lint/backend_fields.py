"""The backend of a model, filled in as the server does it (core, model_config_utils.cc `AutoCompleteBackendFields`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tritonkit.spec.ngc import is_since

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tritonkit.repository.config import ModelConfig
    from tritonkit.spec.ngc import Release


@dataclass(frozen=True, slots=True)
class KnownBackend:
    """A backend that the server can recognise by platform, model file name or the files of a version.

    Attributes:
        name: of the backend.
        platform: its word in `platform`; `None` if it has none.
        filename: of a model, unless the configuration names another.
        by_folder: whether the file may be a directory.
    """

    name: str
    platform: str | None
    filename: str
    by_folder: bool = False


# In the order in which the server asks.
KNOWN_BACKENDS: tuple[KnownBackend, ...] = (
    KnownBackend("tensorrt", "tensorrt_plan", "model.plan"),
    KnownBackend("onnxruntime", "onnxruntime_onnx", "model.onnx", by_folder=True),
    KnownBackend("openvino", None, "model.xml", by_folder=True),
    KnownBackend("pytorch", "pytorch_libtorch", "model.pt"),
    KnownBackend("python", None, "model.py", by_folder=True),
)

# Backends in the NGC image, beside the known ones, from the release's own build script.
OTHER_IMAGE_BACKENDS = ("dali", "fil", "identity", "square", "repeat")
# Backends of the other image flavours.
OTHER_FLAVOUR_BACKENDS = ("vllm", "tensorrtllm")
LAST_TENSORFLOW_RELEASE = "25.02"

_TENSORFLOW_PLATFORMS = {"tensorflow_savedmodel": "model.savedmodel", "tensorflow_graphdef": "model.graphdef"}

# The backend that a platform belongs to; the server refuses another pair.
BACKEND_OF_PLATFORM = {
    **{known.platform: known.name for known in KNOWN_BACKENDS if known.platform},
    **dict.fromkeys(_TENSORFLOW_PLATFORMS, "tensorflow"),
}
PAIRED_BACKENDS = frozenset(BACKEND_OF_PLATFORM.values())


def fill_backend_fields(
    config: ModelConfig, name: str, folder: Path, subfolders: Sequence[str], release: Release
) -> str | None:
    """Sets `name`, `backend`, `platform` and `default_model_filename` of `config` where the server would.

    Returns:
        Why the server gives up, if it does.
    """
    contents = frozenset[str]()
    directories = frozenset[str]()
    if subfolders:
        # The server looks into the first directory alone, version or not.
        first = folder / subfolders[0]
        contents = frozenset(path.name for path in first.iterdir())
        directories = frozenset(path.name for path in first.iterdir() if path.is_dir())
    if not config.name:
        config.name = name
    if _fill_tensorflow(config, contents, directories):
        return None
    for known in KNOWN_BACKENDS:
        if not config.backend and _is_recognised(known, config, contents, directories, release):
            config.backend = known.name
        if config.backend == known.name:
            _fill_known(known, config)
            return None
    if not (config.backend or config.platform or config.default_model_filename):
        return _fill_custom(config, name)
    return None


def _fill_tensorflow(config: ModelConfig, contents: frozenset[str], directories: frozenset[str]) -> bool:
    if not config.platform and config.backend in ("", "tensorflow"):
        for platform, filename in _TENSORFLOW_PLATFORMS.items():
            is_there = filename in (directories if filename == "model.savedmodel" else contents - directories)
            if config.default_model_filename == filename or (not config.default_model_filename and is_there):
                config.platform = platform
    if config.platform not in _TENSORFLOW_PLATFORMS:
        return False
    config.backend = config.backend or "tensorflow"
    config.default_model_filename = config.default_model_filename or _TENSORFLOW_PLATFORMS[config.platform]
    return True


def _is_recognised(
    known: KnownBackend, config: ModelConfig, contents: frozenset[str], directories: frozenset[str], release: Release
) -> bool:
    if known.platform and config.platform == known.platform:
        return True
    if known.name == "pytorch" and config.platform in ("torch_aoti", "libtorch") and is_since(release, "26.04"):
        return True
    if config.default_model_filename:
        return bool(config.default_model_filename == known.filename)
    return bool(not config.platform and known.filename in (contents if known.by_folder else contents - directories))


def _fill_known(known: KnownBackend, config: ModelConfig) -> None:
    if not config.platform and known.platform:
        config.platform = known.platform
    if not config.default_model_filename and not (known.name == "pytorch" and config.runtime == "model.py"):
        config.default_model_filename = known.filename


def _fill_custom(config: ModelConfig, name: str) -> str | None:
    """The last resort: a model called `NAME.BACKEND`."""
    _, dot, backend = name.partition(".")
    if not dot:
        return (
            f"Invalid model name: Could not determine backend for model '{name}' with no backend in model configuration"
        )
    config.backend = backend
    config.default_model_filename = f"model.{backend}"
    return None
