"""Rules on ensembles against the models that they call (core, ensemble_utils.cc `ValidateEnsembleConfig`).

The server asks once those models are loaded and completed.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from tritonkit.repository.lint.ensembles import steps
from tritonkit.repository.lint.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tritonkit.repository.config import ModelConfig
    from tritonkit.repository.lint.findings import ModelFacts, Repository


def ensemble_step_missing(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Each step's model is in the repository."""
    for key, step in steps(model):
        if step.model_name and step.model_name not in repository.models:
            near = difflib.get_close_matches(step.model_name, repository.models, n=1)
            yield Finding(
                key=f"{key}.model_name",
                cause=f"it contains models that are not available: {step.model_name}",
                fix=f"did you mean {near[0]!r}?" if near else "add the model to the repository",
            )


def ensemble_step_fails(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Each step's model loads, in the version that the step asks for."""
    for key, step in steps(model):
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
    for key, step in steps(model):
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
    for key, step in steps(model):
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
    for key, step in steps(model):
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


def ensemble_decoupled(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """What a step reads comes from one and the same decoupled model, or from none."""
    origins: dict[str, str] = dict.fromkeys((tensor.name for tensor in model.config.input), "")
    waiting = [(key, step) for key, step in steps(model) if step.input_map]
    while ready := [(key, step) for key, step in waiting if set(step.input_map.values()) <= origins.keys()]:
        waiting = [entry for entry in waiting if entry not in ready]
        for key, step in ready:
            found = sorted({origins[tensor] for tensor in step.input_map.values()})
            if len(found) > 1:
                named = " and ".join(name or "no decoupled model" for name in found)
                yield Finding(
                    key=f"{key}.input_map",
                    cause=f"step of model {step.model_name!r} receives inputs originated from different decoupled "
                    f"models: {named}",
                    fix="take them all from one of the two",
                )
                return
            called = repository.models.get(step.model_name)
            new = f"{key} ({step.model_name})" if called is not None and is_decoupled(called, repository) else found[0]
            origins |= dict.fromkeys(step.output_map.values(), new)


def is_decoupled(model: ModelFacts, repository: Repository) -> bool:
    """Whether a request may get any number of responses: an ensemble's does where that of a model it calls does."""
    waiting, seen = [model], {model.name}
    while waiting:
        current = waiting.pop()
        if current.completed.model_transaction_policy.decoupled:
            return True
        called = {step.model_name for _, step in steps(current)} & repository.models.keys()
        waiting += [repository.models[name] for name in sorted(called - seen)]
        seen |= called
    return False


def _type_word(entry: ModelConfig) -> str:
    values = entry.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number
    return str(values[entry.data_type].name) if entry.data_type in values else str(entry.data_type)
