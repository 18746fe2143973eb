"""The ONNX models of a repository, and the golden bundles that prove them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.engines.profile_configs import ONNX_FILE
from builder.golden import FILE
from tritonkit.repository.config import read_config
from tritonkit.repository.layout import CONFIG, GOLDEN, version_numbers
from tritonkit.spec.errors import InputError
from tritonkit.spec.golden import GoldenBundle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tritonkit.repository.config import ModelConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryModel:
    """A model that the onnxruntime backend serves.

    Attributes:
        name: its name.
        config: its configuration.
        version: its version folder.
        onnx: its ONNX file.
        golden: folder of a golden bundle that asks it; `None` where no bundle does.
    """

    name: str
    config: ModelConfig
    version: Path
    onnx: Path
    golden: Path | None


def find_onnx_models(repository: Path, names: Sequence[str] = ()) -> list[RepositoryModel]:
    """The models of `repository` whose backend is onnxruntime; only those with one of `names`, if any are given.

    Raises:
        InputError: there is none, a name is not among them, or a model has no version.
    """
    if not repository.is_dir():
        raise InputError("there is no such repository", where=repository)
    golden = _bundles(repository)
    found = {}
    for file in sorted(repository.glob(f"*/{CONFIG}")):
        config = read_config(file)
        if config.backend != "onnxruntime" and config.platform != "onnxruntime_onnx":
            continue
        version = file.parent / str(_version(file.parent, config))
        onnx = version / (config.default_model_filename or ONNX_FILE)
        name = file.parent.name
        found[name] = RepositoryModel(name=name, config=config, version=version, onnx=onnx, golden=golden.get(name))
    missing = sorted(set(names) - set(found))
    if missing or not found:
        raise InputError(
            "there is no such ONNX model" if missing else "no model here has the onnxruntime backend",
            where=repository,
            got=", ".join(missing) or None,
            expected=", ".join(found) or None,
        )
    return [model for name, model in found.items() if not names or name in names]


def _version(folder: Path, config: ModelConfig) -> int:
    chosen = list(config.version_policy.specific.versions)
    numbers = chosen or sorted(version_numbers(folder))
    if not numbers:
        raise InputError("this model has no version", where=folder)
    return int(numbers[-1])


def _bundles(repository: Path) -> dict[str, Path]:
    """The folder of the newest golden bundle, by model that it asks in process."""
    files = repository.glob(f"*/*/{GOLDEN}/{FILE}")
    found: dict[str, Path] = {}
    for file in sorted(files, key=lambda file: int(file.parents[1].name) if file.parents[1].name.isdecimal() else 0):
        bundle = GoldenBundle.model_validate_json(file.read_bytes())
        found |= {question.model: file.parent for question in bundle.questions if question.level == "artefact"}
    return found
