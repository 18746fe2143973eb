"""Rules on ensembles: the pipeline by itself, and against the models that it calls.

By itself: core, model_config_utils.cc `ValidateEnsembleSchedulingConfig`; against its models: ensemble_utils.cc
`ValidateEnsembleConfig`, which runs once those models are loaded and completed.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from tritonkit.repository.lint.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tritonkit.repository.config import ModelConfig
    from tritonkit.repository.lint.findings import ModelFacts, Repository


def ensemble_platform(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """An ensemble has platform "ensemble" and no backend, and nothing else has ensemble_scheduling."""
    del repository
    config = model.config
    if config.platform == "ensemble":
        if config.backend:
            yield Finding(
                key="backend",
                cause="an ensemble must have platform type 'ensemble' and empty backend type",
                fix="leave `backend` out",
            )
        if not config.HasField("ensemble_scheduling"):
            yield Finding(
                key="ensemble_scheduling",
                cause="ensemble scheduling must be set for a model whose platform is ensemble",
                fix="list the steps",
            )
    elif config.HasField("ensemble_scheduling"):
        yield Finding(
            key="platform",
            cause="ensemble scheduling cannot be set for a model whose platform is not ensemble",
            fix='set platform: "ensemble" and leave `backend` out',
        )


def ensemble_extras(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """An ensemble has no instances, no optimization and no warm-up of its own."""
    del repository
    if not model.config.HasField("ensemble_scheduling"):
        return
    for field in ("instance_group", "optimization", "model_warmup"):
        value = getattr(model.given, field)
        if model.given.HasField(field) if field == "optimization" else len(value):
            yield Finding(
                key=field, cause=f"{field} cannot be specified for an ensemble", fix="say it in the steps' models"
            )


def ensemble_steps(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """There is a step, and each names its model and maps inputs and outputs."""
    del repository
    if not model.config.HasField("ensemble_scheduling"):
        return
    if not model.config.ensemble_scheduling.step:
        yield Finding(
            key="ensemble_scheduling.step", cause="must specify 'step'", fix="list the models to call, in order"
        )
    for key, step in _steps(model):
        for field in ("model_name", "input_map", "output_map"):
            if not getattr(step, field):
                yield Finding(key=f"{key}.{field}", cause=f"must specify {field!r}", fix="say which")


def ensemble_data_flow(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Each tensor is written once and read; each output is reached from the inputs."""
    del repository
    if not model.config.HasField("ensemble_scheduling"):
        return
    written: set[str] = set()
    sources: dict[str, set[str]] = {}
    for key, step in _steps(model):
        for tensor in step.output_map.values():
            if tensor in written:
                yield Finding(
                    key=f"{key}.output_map",
                    cause=f"ensemble tensor {tensor!r} can appear in an output map only once",
                    fix="give one of the two another name",
                )
            written.add(tensor)
            sources.setdefault(tensor, set()).update(step.input_map.values())
        for tensor in step.input_map.values():
            sources.setdefault(tensor, set())
    yield from _unused_findings(model.config, sources)
    yield from _reach_findings(model.config, sources)


def _unused_findings(config: ModelConfig, sources: dict[str, set[str]]) -> Iterator[Finding]:
    read = {tensor for used in sources.values() for tensor in used}
    outputs = [tensor.name for tensor in config.output]
    for side in ("input", "output"):
        for index, tensor in enumerate(getattr(config, side)):
            if tensor.name not in sources:
                near = difflib.get_close_matches(tensor.name, sources, n=1)
                yield Finding(
                    key=f"{side}[{index}].name",
                    cause=f"ensemble {side} {tensor.name!r} is not used: no step maps it",
                    fix=f"did you mean {near[0]!r}?" if near else "map it in a step, or leave it out",
                )
    for tensor in sorted(sources.keys() - read - set(outputs)):
        yield Finding(
            key="ensemble_scheduling.step",
            cause=f"ensemble tensor {tensor!r} is unused: it is written, and neither read by a step nor an output",
            fix="leave it out of the output_map, or make it an output",
        )


def _reach_findings(config: ModelConfig, sources: dict[str, set[str]]) -> Iterator[Finding]:
    ready = {tensor.name for tensor in config.input}
    while new := {tensor for tensor, used in sources.items() if used and used <= ready} - ready:
        ready |= new
    for tensor in sorted(sources.keys() - ready):
        missing = next((name for name in sorted(sources[tensor]) if name not in ready), None)
        yield Finding(
            key="ensemble_scheduling.step",
            cause=f"ensemble tensor {tensor!r} is never written"
            + (f": {missing!r}, which it depends on, is not connected" if missing is not None else ""),
            fix="map it from the output of a step, or make it an input",
        )


def ensemble_cycle(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """An ensemble does not call itself, not through others either."""
    seen: set[str] = set()
    waiting = [step.model_name for _, step in _steps(model)]
    while waiting:
        name = waiting.pop()
        if name == model.name:
            yield Finding(
                key="ensemble_scheduling.step",
                cause="circular dependency between ensembles: it calls itself",
                fix="call another model",
            )
            return
        if name not in seen and name in repository.models:
            seen.add(name)
            waiting += [step.model_name for _, step in _steps(repository.models[name])]


def ensemble_step_missing(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Each step's model is in the repository."""
    for key, step in _steps(model):
        if step.model_name and step.model_name not in repository.models:
            near = difflib.get_close_matches(step.model_name, repository.models, n=1)
            yield Finding(
                key=f"{key}.model_name",
                cause=f"it contains models that are not available: {step.model_name}",
                fix=f"did you mean {near[0]!r}?" if near else "add the model to the repository",
            )


def ensemble_step_fails(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Each step's model loads, in the version that the step asks for."""
    for key, step in _steps(model):
        called = repository.models.get(step.model_name)
        if called is None or called.name == model.name:
            continue
        if step.model_name in repository.failing:
            yield Finding(
                key=f"{key}.model_name",
                cause=f"it depends on {step.model_name!r}, which does not load: {repository.failing[step.model_name]}",
                fix=f"mend {step.model_name} first",
            )
        elif step.model_version != -1 and step.model_version not in called.versions.chosen:
            chosen = ", ".join(map(str, called.versions.chosen))
            yield Finding(
                key=f"{key}.model_version",
                cause=f"required version {step.model_version} of {step.model_name!r} is not loaded; {chosen} is",
                fix="set model_version: -1 for the latest one, or set the version_policy of that model",
            )


def ensemble_batch_size(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Each step's model that batches takes batches as large as the ensemble's."""
    most = model.completed.max_batch_size
    for key, step in _steps(model):
        called = repository.models.get(step.model_name)
        size = called.completed.max_batch_size if called is not None else 0
        if called is not None and called.tensors_known and size != 0 and size < most:
            yield Finding(
                key=f"{key}.model_name",
                cause=f"the ensemble allows maximum batch size {most}, but {step.model_name} only {size}",
                fix=f"set max_batch_size: {size} here, or raise it there",
            )


def ensemble_maps(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Each map names inputs and outputs that the step's model has, all its required inputs among them."""
    for key, step in _steps(model):
        called = repository.models.get(step.model_name)
        if called is None or not called.tensors_known or called.name in repository.failing:
            continue
        for side, mapping in (("input", step.input_map), ("output", step.output_map)):
            known = {tensor.name: tensor for tensor in getattr(called.completed, side)}
            for name in mapping:
                if name not in known:
                    near = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
                    yield Finding(
                        key=f"{key}.{side}_map.{name}",
                        cause=f"{mapping[name]!r} is mapped to non-existing {side} {name!r} of {step.model_name}",
                        fix=f"did you mean {near[0]!r}?"
                        if near
                        else f"{step.model_name} has {', '.join(known) or 'none'}",
                    )
            if side == "input":
                missing = [name for name, tensor in known.items() if not tensor.optional and name not in mapping]
                for name in missing:
                    yield Finding(
                        key=f"{key}.input_map",
                        cause=f"input {name!r} of {step.model_name} is not mapped to any ensemble tensor",
                        fix="map it",
                    )


def ensemble_tensors(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A tensor has one data type and one shape, wherever it is read or written."""
    first: dict[str, tuple[ModelConfig, bool, str]] = {}
    batching = model.completed.max_batch_size > 0
    if not model.config.HasField("ensemble_scheduling"):
        return
    for side in ("input", "output"):
        for tensor in getattr(model.completed, side):
            first.setdefault(tensor.name, (tensor, batching, "the ensemble"))
    for key, step in _steps(model):
        called = repository.models.get(step.model_name)
        if called is None or not called.tensors_known:
            continue
        batching = called.completed.max_batch_size > 0
        for side, mapping in (("input", step.input_map), ("output", step.output_map)):
            known = {tensor.name: tensor for tensor in getattr(called.completed, side)}
            for name, ensemble_tensor in sorted(mapping.items()):
                if name not in known:
                    continue
                there = first.setdefault(ensemble_tensor, (known[name], batching, step.model_name))
                cause = _inconsistency(there, (known[name], batching, step.model_name))
                if cause is not None:
                    yield Finding(
                        key=f"{key}.{side}_map.{name}",
                        cause=f"ensemble tensor {ensemble_tensor!r}: {cause}",
                        fix="make the two equal",
                    )


def _inconsistency(one: tuple[ModelConfig, bool, str], other: tuple[ModelConfig, bool, str]) -> str | None:
    (here, here_batches, here_model), (there, there_batches, there_model) = one, other
    if here.data_type != there.data_type:
        return f"inconsistent data type: {_type_word(here)} in {here_model} while {_type_word(there)} in {there_model}"
    # The ensemble's own tensors count with their reshape, those of its models without.
    here_dims = list(here.reshape.shape if here_model == "the ensemble" and here.HasField("reshape") else here.dims)
    there_dims = list(there.dims)
    here_full = [-1, *here_dims] if here_batches else here_dims
    there_full = [-1, *there_dims] if there_batches else there_dims
    if _match(here_dims, there_dims) or _match(here_full, there_full):
        return None
    return f"inconsistent shape: {here_full} in {here_model} while {there_full} in {there_model}"


def _match(one: list[int], other: list[int]) -> bool:
    return len(one) == len(other) and all(a == b or -1 in (a, b) for a, b in zip(one, other, strict=True))


def _steps(model: ModelFacts) -> list[tuple[str, ModelConfig]]:
    steps = model.config.ensemble_scheduling.step
    return [(f"ensemble_scheduling.step[{index}]", step) for index, step in enumerate(steps)]


def _type_word(entry: ModelConfig) -> str:
    values = entry.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number
    return str(values[entry.data_type].name) if entry.data_type in values else str(entry.data_type)
