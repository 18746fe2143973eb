"""A scratch copy of a built repository, whose configurations are rewritten from setting to setting."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from benchmarks.tune.built import THREADS
from tritonkit.repository.config import read_config, write_config
from tritonkit.repository.layout import CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.tune.built import Built, BuiltVariant
    from tritonkit.repository.config import ModelConfig
    from tritonkit.spec.tuning import Setting


class Scratch:
    """The copy: every variant's parts side by side, and one ensemble that calls those of the variant in turn.

    Args:
        built: the build to copy.
        folder: where; what is there is replaced.
    """

    def __init__(self, built: Built, folder: Path) -> None:
        self._built = built
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for variant in built.variants.values():
            for part in variant.parts.values():
                if not (folder / part).exists():
                    shutil.copytree(variant.repository / part, folder / part)
        own = built.variants[built.own.variant]
        shutil.copytree(own.repository / built.report.name, folder / built.report.name)

    def rewrite(self, setting: Setting) -> tuple[str, ...]:
        """Makes the repository serve `setting`; returns the models whose configuration that changed.

        A configuration that says the same already is not touched: its file's time would make Triton load it anew.
        """
        changed = []
        for name, config in self._configs(setting):
            file = self.folder / name / CONFIG
            text = write_config(config)
            if file.read_text(encoding="utf-8") != text:
                file.write_text(text, encoding="utf-8")
                changed.append(name)
        return tuple(changed)

    def _configs(self, setting: Setting) -> Iterator[tuple[str, ModelConfig]]:
        """The parts of the setting's variant, then the ensemble over them."""
        variant = self._built.variants[setting.variant]
        for role, name in variant.parts.items():
            yield name, configured(read_config(variant.repository / name / CONFIG), role, setting)
        yield self._built.report.name, self._ensemble(variant, setting)

    def _ensemble(self, variant: BuiltVariant, setting: Setting) -> ModelConfig:
        config = read_config(variant.repository / self._built.report.name / CONFIG)
        config.max_batch_size = setting.max_batch_size
        return config


def configured(config: ModelConfig, role: str, setting: Setting) -> ModelConfig:
    """The built configuration of a part, changed into the one that `setting` asks for."""
    config.max_batch_size = setting.max_batch_size
    for warmup in config.model_warmup:
        warmup.batch_size = min(warmup.batch_size, setting.max_batch_size)
    if role == "preprocess" and setting.preprocess_instances is not None:
        _set_instances(config, setting.preprocess_instances)
    if role == "model":
        _set_instances(config, setting.instances)
        config.dynamic_batching.max_queue_delay_microseconds = setting.max_queue_delay_microseconds
        if setting.threads is not None and config.backend == "onnxruntime":
            config.parameters[THREADS].string_value = str(setting.threads)
    return config


def _set_instances(config: ModelConfig, count: int) -> None:
    """One group of the kind of the first, on the devices that it names."""
    if not config.instance_group:
        config.instance_group.add()
    del config.instance_group[1:]
    config.instance_group[0].count = count
