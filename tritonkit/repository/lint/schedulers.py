"""Rules on the dynamic batcher, the sequence batcher and the response cache (core, `ValidateModelConfig`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tritonkit.repository.lint.ensemble_models import is_decoupled
from tritonkit.repository.lint.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tritonkit.repository.config import ModelConfig
    from tritonkit.repository.lint.findings import ModelFacts, Repository

BOOLEAN_CONTROLS = ("CONTROL_SEQUENCE_START", "CONTROL_SEQUENCE_END", "CONTROL_SEQUENCE_READY")
CORRELATION_CONTROL = "CONTROL_SEQUENCE_CORRID"
_CORRELATION_TYPES = ("TYPE_UINT64", "TYPE_INT64", "TYPE_UINT32", "TYPE_INT32", "TYPE_STRING")
_FALSE_TRUE_FIELDS = ("int32_false_true", "fp32_false_true", "bool_false_true")


def preferred_batch_size(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Preferred batch sizes are positive and at most max_batch_size, which counts as 0 where it is left out."""
    del repository
    config = model.config
    batchers = {}
    if config.HasField("dynamic_batching"):
        batchers["dynamic_batching"] = config.dynamic_batching
    if config.HasField("sequence_batching") and config.sequence_batching.HasField("oldest"):
        batchers["sequence_batching.oldest"] = config.sequence_batching.oldest
    for key, batcher in batchers.items():
        for size in batcher.preferred_batch_size:
            if size <= 0 or size > config.max_batch_size:
                yield Finding(
                    key=f"{key}.preferred_batch_size",
                    cause=f"preferred size {size} must be positive and <= max_batch_size ({config.max_batch_size})",
                    fix="lower it, or raise max_batch_size" if size > 0 else "leave it out",
                )


def priority_levels(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """With priority levels, the default level and the levels of queue policies lie between 1 and their number."""
    del repository
    batching = model.config.dynamic_batching
    levels = batching.priority_levels
    if levels == 0:
        return
    if not 1 <= batching.default_priority_level <= levels:
        yield Finding(
            key="dynamic_batching.default_priority_level",
            cause=f"default priority level must be in range [1, {levels}]",
            fix=f"set it to {levels}, the lowest priority",
        )
    for level in batching.priority_queue_policy:
        if not 1 <= level <= levels:
            yield Finding(
                key=f"dynamic_batching.priority_queue_policy.{level}",
                cause=f"priority queue policy must have priority level in range [1, {levels}]",
                fix="give a level in that range",
            )


def preserve_ordering(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Responses in order allow one priority level, and no request that is delayed for its timeout."""
    del repository
    batching = model.config.dynamic_batching
    if not batching.preserve_ordering:
        return
    if batching.priority_levels > 1:
        yield Finding(
            key="dynamic_batching.preserve_ordering",
            cause="Only one priority level is allowed when 'preserve_ordering' is true",
            fix="leave priority_levels or preserve_ordering out",
        )
    policies = {"default_queue_policy": batching.default_queue_policy}
    policies |= {f"priority_queue_policy.{level}": policy for level, policy in batching.priority_queue_policy.items()}
    for key, policy in policies.items():
        delays = (
            policy.timeout_action
            == policy.DESCRIPTOR.enum_types_by_name["TimeoutAction"].values_by_name["DELAY"].number
        )
        if policy.default_timeout_microseconds != 0 and delays:
            yield Finding(
                key=f"dynamic_batching.{key}.timeout_action",
                cause="Queue policy can not have DELAY as timeout action when 'preserve_ordering' is true",
                fix="set REJECT, or leave preserve_ordering out",
            )


def response_cache(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """The response cache is not for sequence models, nor for decoupled ones and ensembles of them."""
    if not model.config.response_cache.enable:
        return
    if model.config.HasField("sequence_batching") or is_decoupled(model, repository):
        yield Finding(
            key="response_cache.enable",
            cause="Response Cache does not currently support sequence batching or the decoupled transaction policy",
            fix="leave response_cache out",
        )


def sequence_controls(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """Each control names a tensor once, and its false and true values in one type."""
    del repository
    if not model.config.HasField("sequence_batching"):
        return
    controls = model.config.sequence_batching.control_input
    names = [control.name for control in controls]
    for index, name in enumerate(names):
        key = f"sequence_batching.control_input[{index}].name"
        if not name:
            yield Finding(
                key=key, cause="sequence batching control tensor must have a name", fix="name the model's input"
            )
        elif name in names[:index]:
            yield Finding(
                key=key,
                cause=f"sequence batching control tensor {name!r} is specified for multiple control kinds",
                fix="give each control a tensor of its own",
            )
    for kind in (*BOOLEAN_CONTROLS, CORRELATION_CONTROL):
        found = controls_of_kind(model.config, kind)
        if len(found) > 1:
            yield Finding(
                key=found[1][0],
                cause=f"sequence batching specifies multiple {kind} tensors",
                fix="keep one of them",
            )
        for key, _, control in found[:1]:
            yield from _value_findings(key, kind, control)


def _value_findings(key: str, kind: str, control: ModelConfig) -> Iterator[Finding]:
    given = [name for name in _FALSE_TRUE_FIELDS if getattr(control, name)]
    if kind == CORRELATION_CONTROL:
        types = control.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number
        if given:
            yield Finding(
                key=f"{key}.{given[0]}", cause=f"{kind} has no false and true value", fix="set data_type instead"
            )
        if control.data_type not in types or types[control.data_type].name not in _CORRELATION_TYPES:
            yield Finding(
                key=f"{key}.data_type",
                cause=f"unexpected data type for control {kind}",
                fix=f"set one of {', '.join(_CORRELATION_TYPES)}",
            )
    elif len(given) != 1:
        yield Finding(
            key=key,
            cause=f"{kind} must specify exactly one of {', '.join(_FALSE_TRUE_FIELDS)}",
            fix="set one of them, as fp32_false_true: [ 0, 1 ]",
        )
    elif len(getattr(control, given[0])) != 2:
        yield Finding(
            key=f"{key}.{given[0]}",
            cause=f"{given[0]!r} must have exactly 2 entries for {kind}",
            fix=f"set {given[0]}: [ 0, 1 ]" if given[0] != "bool_false_true" else "set [ false, true ]",
        )


def controls_of_kind(config: ModelConfig, kind: str) -> list[tuple[str, str, ModelConfig]]:
    """Key, tensor name and control of every control of `kind`."""
    return [
        (f"sequence_batching.control_input[{i}].control[{j}]", entry.name, control)
        for i, entry in enumerate(config.sequence_batching.control_input)
        for j, control in enumerate(entry.control)
        if control.DESCRIPTOR.enum_types_by_name["Kind"].values_by_name[kind].number == control.kind
    ]


def slot_utilization(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """The least part of used sequence slots is a part."""
    del repository
    batching = model.config.sequence_batching
    if batching.HasField("direct") and not 0 <= batching.direct.minimum_slot_utilization <= 1:
        yield Finding(
            key="sequence_batching.direct.minimum_slot_utilization",
            cause="sequence batching minimum slot utilization must be in range (0.0, 1.0]",
            fix="set a part between 0 and 1",
        )


def sequence_state(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """The initial value of a state has the state's type and rank, fixed dims, a name, and a file that is there."""
    del repository
    for index, state in enumerate(model.config.sequence_batching.state):
        key = f"sequence_batching.state[{index}].initial_state"
        if len(state.initial_state) > 1:
            yield Finding(key=key, cause="it must contain exactly one or zero element", fix="keep one")
            continue
        for initial in state.initial_state:
            cause = _initial_state_cause(model, state, initial)
            if cause is not None:
                yield Finding(key=key, cause=cause, fix="make it fit the state")


def _initial_state_cause(model: ModelFacts, state: ModelConfig, initial: ModelConfig) -> str | None:
    dims, state_dims = list(initial.dims), list(state.dims)
    source = initial.WhichOneof("state_data")
    missing = source == "data_file" and not (model.folder / "initial_state" / initial.data_file).is_file()
    causes = {
        "its data type does not match the state's": initial.data_type != state.data_type,
        "Field 'name' must be set when using initial_state": not initial.name,
        f"dims {dims} do not match the state's {state_dims}": len(dims) != len(state_dims)
        or any(there not in (-1, here) for here, there in zip(dims, state_dims, strict=True)),
        "it contains variable dimensions": -1 in dims,
        "it says neither zero_data nor data_file": source is None,
        f"there is no {model.name}/initial_state/{initial.data_file}": missing,
    }
    return next((cause for cause, holds in causes.items() if holds), None)


def model_metrics(model: ModelFacts, repository: Repository) -> Iterator[Finding]:
    """A custom histogram names its family and its buckets."""
    del repository
    if "model_metrics" not in model.config.DESCRIPTOR.fields_by_name:
        return
    for index, control in enumerate(model.config.model_metrics.metric_control):
        key = f"model_metrics.metric_control[{index}]"
        if not control.metric_identifier.family:
            yield Finding(
                key=f"{key}.metric_identifier",
                cause="metric control must specify the family of a metric",
                fix='set metric_identifier { family: "nv_inference_first_response_histogram_ms" }',
            )
        if not control.histogram_options.buckets:
            yield Finding(
                key=f"{key}.histogram_options",
                cause="metric control must specify 'histogram_options' with buckets",
                fix="set histogram_options { buckets: [ ... ] }",
            )
