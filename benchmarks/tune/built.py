"""What a build left behind for the search: the parts of every variant that passed, and how they are served now."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from tritonkit.repository.config import read_config
from tritonkit.repository.layout import CANDIDATE_VERSION, CONFIG, read_manifest
from tritonkit.spec.errors import InputError
from tritonkit.spec.reports import BuildReport
from tritonkit.spec.tuning import Setting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tritonkit.repository.config import ModelConfig
    from tritonkit.spec.reports import VariantResult

THREADS = "intra_op_thread_count"
BUILD_REPORT = "build.json"
_ASSEMBLE = "assemble"
_PARTS = "parts.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltVariant:
    """One variant's repository, as the build assembled it.

    Attributes:
        name: the variant.
        repository: its folder: the ensemble and its parts.
        model: name of the network's part.
        preprocess: name of the preprocessing step; `None` where the network does that itself.
        parts: every part, by role.
        has_threads: whether the network's backend takes a number of threads.
    """

    name: str
    repository: Path
    model: str
    preprocess: str | None
    parts: Mapping[str, str]
    has_threads: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A build, as far as the search needs it.

    Attributes:
        report: the build's report.
        variants: the variants that can be served, by name.
        own: how the build serves the model.
    """

    report: BuildReport
    variants: Mapping[str, BuiltVariant]
    own: Setting


def read_built(folder: Path) -> Built:
    """What the output folder of a build holds.

    The candidate's repository has the parts of the chosen variant; those of the others lie where the build's stage
    assembled them, as its report says.

    Raises:
        InputError: it is no such folder.
    """
    try:
        report = BuildReport.model_validate_json((folder / BUILD_REPORT).read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(
            "there is no finished build",
            where=folder / BUILD_REPORT,
            got=str(error).splitlines()[0],
            hint="`tritonkit build` first; the search builds nothing",
        ) from None
    repository = folder / "repository"
    manifest = read_manifest(repository / report.name / str(CANDIDATE_VERSION))
    chosen = _variant(report.variant, repository, {part.role: part.name for part in manifest.parts})
    variants = {chosen.name: chosen}
    for run in report.stages:
        staged = Path(run.folder) / "out" / "repository"
        if run.name == _ASSEMBLE and staged.is_dir():
            found = _staged_variant(report, staged)
            if found is not None:
                variants.setdefault(found.name, found)
    return Built(report=report, variants=variants, own=_own_setting(chosen, report.name))


def allowed_variants(built: Built, max_drop_points: float) -> tuple[dict[str, BuiltVariant], dict[str, str]]:
    """The variants whose accuracy may be served, and why the others may not. The build's own is always allowed."""
    own = built.own.variant
    allowed, excluded = {own: built.variants[own]}, {}
    for result in built.report.variants:
        if result.name == own:
            continue
        drop = result.accuracy_drop_points
        if result.refused is not None:
            excluded[result.name] = f"the build refused it: {result.refused}"
        elif result.name not in built.variants:
            excluded[result.name] = "its assembled repository is no longer in the build's cache: build again"
        elif _costs_at_most(result, max_drop_points):
            allowed[result.name] = built.variants[result.name]
        elif drop is None:
            excluded[result.name] = "the build did not measure what it costs in accuracy"
        else:
            excluded[result.name] = f"it costs {drop:.2f} points of accuracy; {max_drop_points:g} are allowed"
    return allowed, excluded


def _costs_at_most(result: VariantResult, points: float) -> bool:
    """Whether it is full precision, which costs nothing, or was measured to cost no more."""
    drop = result.accuracy_drop_points
    return result.precision == "fp32" or (drop is not None and drop <= points)


def _staged_variant(report: BuildReport, staged: Path) -> BuiltVariant | None:
    """The variant whose repository a stage assembled; its name is in that of the network's part."""
    text = (staged / report.name / str(CANDIDATE_VERSION) / _PARTS).read_text(encoding="utf-8")
    parts = {part["role"]: part["name"] for part in json.loads(text)["parts"]}
    named = parts["model"].removeprefix(f"{report.name}_").rpartition("_")[0]
    known = {variant.name for variant in report.variants}
    return _variant(named, staged, parts) if named in known else None


def _variant(name: str, repository: Path, parts: Mapping[str, str]) -> BuiltVariant:
    config = read_config(repository / parts["model"] / CONFIG)
    return BuiltVariant(
        name=name,
        repository=repository,
        model=parts["model"],
        preprocess=parts.get("preprocess"),
        parts=parts,
        has_threads=config.backend == "onnxruntime",
    )


def _own_setting(variant: BuiltVariant, name: str) -> Setting:
    network = read_config(variant.repository / variant.model / CONFIG)
    threads = network.parameters[THREADS].string_value if THREADS in network.parameters else ""
    step = variant.preprocess and read_config(variant.repository / variant.preprocess / CONFIG)
    return Setting(
        variant=variant.name,
        instances=_instances(network),
        threads=int(threads or 1) if variant.has_threads else None,
        max_batch_size=read_config(variant.repository / name / CONFIG).max_batch_size,
        max_queue_delay_microseconds=network.dynamic_batching.max_queue_delay_microseconds,
        preprocess_instances=_instances(step) if step else None,
    )


def _instances(config: ModelConfig) -> int:
    return int(sum(group.count for group in config.instance_group)) or 1
