"""Rules on ensembles by themselves (core, model_config_utils.cc `ValidateEnsembleSchedulingConfig`)."""

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
    for key, step in steps(model):
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
    for key, step in steps(model):
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


def ensemble_output_read(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A request that does not ask for an output which a step reads too fails: `unexpected deadlock`."""
    del repository
    read = {tensor: key for key, step in steps(model) for tensor in step.input_map.values()}
    inputs = {tensor.name for tensor in model.config.input}
    for index, tensor in enumerate(model.config.output):
        if model.config.HasField("ensemble_scheduling") and tensor.name in read and tensor.name not in inputs:
            yield Finding(
                key=f"output[{index}].name",
                cause=f"{read[tensor.name]} reads the output {tensor.name!r} too: a request that does not ask for it "
                "fails with `unexpected deadlock`",
                fix="leave it out of the outputs, or ask for it in every request",
            )


def ensemble_cycle(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """An ensemble does not call itself, not through others either."""
    seen: set[str] = set()
    waiting = [step.model_name for _, step in steps(model)]
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
            waiting += [step.model_name for _, step in steps(repository.models[name])]


def steps(model: ModelFacts) -> list[tuple[str, ModelConfig]]:
    """Every step of an ensemble, with its key; none of another model."""
    found = model.config.ensemble_scheduling.step
    return [(f"ensemble_scheduling.step[{index}]", step) for index, step in enumerate(found)]
