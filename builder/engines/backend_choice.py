"""Which backend and which file a Triton will take for a model on a GPU: what `doctor` says before the start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.engines.profile_configs import CONFIGS, ONNX_FILE
from tritonkit.repository.config import read_config
from tritonkit.repository.layout import CONFIG

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendChoice:
    """What a server will take.

    Attributes:
        backend: Triton's name of it.
        file: the model's file, relative to the version folder.
        because: why that one.
        problem: why it will not load; `None` where nothing speaks against it.
    """

    backend: str
    file: str
    because: str
    problem: str | None = None


def choose_backend(model: Path, version: int, config_name: str | None, compute_capability: str | None) -> BackendChoice:
    """What a Triton takes for the model in the folder `model`.

    Source: Triton core's choice of `configs/NAME.pbtxt` (else `config.pbtxt`), and the tensorrt backend's of
    `cc_model_filenames` (else `default_model_filename`).

    Args:
        model: the model's folder.
        version: the version that is served.
        config_name: the server's `--model-config-name`; `None` without the flag.
        compute_capability: of the GPU; `None` without one.

    Raises:
        InputError: the configuration is not readable.
    """
    profile = None if config_name is None else model / CONFIGS / f"{config_name}.pbtxt"
    if profile is not None and profile.is_file():
        because, config = f"{CONFIGS}/{config_name}.pbtxt, by --model-config-name", read_config(profile)
    else:
        missing = "" if config_name is None else f"; there is no {CONFIGS}/{config_name}.pbtxt"
        because, config = f"{CONFIG}{missing}", read_config(model / CONFIG)
    backend = config.backend or config.platform
    if backend != "tensorrt":
        file = config.default_model_filename or ONNX_FILE
        return BackendChoice(backend=backend, file=file, because=because, problem=_absent(model, version, file))
    if compute_capability is None:
        file = config.default_model_filename or "model.plan"
        return BackendChoice(backend=backend, file=file, because=because, problem="the tensorrt backend needs a GPU")
    file = config.cc_model_filenames.get(compute_capability, config.default_model_filename or "model.plan")
    if compute_capability not in config.cc_model_filenames:
        engines = ", ".join(sorted(config.cc_model_filenames)) or "no GPU"
        because += f"; its engines are for {engines}, this GPU is {compute_capability}"
    return BackendChoice(backend=backend, file=file, because=because, problem=_absent(model, version, file))


def _absent(model: Path, version: int, file: str) -> str | None:
    return None if (model / str(version) / file).exists() else f"{version}/{file} is not there"
