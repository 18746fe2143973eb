"""The repository that a GPU node serves: the published one, with engines and their profile beside the ONNX files.

The published repository itself is never written to: its parts are immutable and shared by nodes with other GPUs.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from builder.engines.engine_cache import read_verified
from builder.engines.profile_configs import CONFIGS, plan_name, tensorrt_config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from builder.engines.engine_cache import CachedEngine
    from builder.engines.repository_models import RepositoryModel


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyModel:
    """A model and its engines, one for each compute capability of the node."""

    model: RepositoryModel
    engines: tuple[CachedEngine, ...]


def lay_repository(source: Path, out: Path, models: Sequence[ReadyModel], profile: str) -> None:
    """Writes `out`: all of `source`, hard-linked where the file system can, plus engines and `configs/PROFILE.pbtxt`.

    `out` appears as a whole; what was there before is replaced, so no server may be running on it.

    Args:
        source: the published repository.
        out: the node's own.
        models: what has engines.
        profile: the name that `--model-config-name` will choose.

    Raises:
        GateError: an engine is no longer the one that was built.
        InputError: an engine is one that Triton does not load.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        shutil.copytree(source, staged / "new", copy_function=shutil.copyfile)
        for ready in models:
            _add_engines(staged / "new" / ready.model.name, ready, profile)
        with contextlib.suppress(FileNotFoundError):
            out.rename(staged / "old")
        (staged / "new").rename(out)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _add_engines(folder: Path, ready: ReadyModel, profile: str) -> None:
    version = folder / ready.model.version.name
    for engine in ready.engines:
        (version / plan_name(engine.record)).write_bytes(read_verified(engine))
    records = [engine.record for engine in ready.engines]
    (folder / CONFIGS).mkdir(exist_ok=True)
    text = tensorrt_config(ready.model.config, records, where=str(folder / CONFIGS))
    target = folder / CONFIGS / f"{profile}.pbtxt"
    target.write_text(text)
