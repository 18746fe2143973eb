"""A spec -> the configurations of its pipeline: preprocessing, network, postprocessing and the ensemble over them.

Pure: from the spec alone, with the parts' names given. Triton's words are used as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from builder.kinds import postprocess_step, preprocess_step, stream_step
from builder.placement import placed_spec
from tritonkit.repository.config import ModelConfig, append_config_text, merge_config, new_config, write_config

if TYPE_CHECKING:
    from builder.kinds import Step
    from tritonkit.spec.model import ModelSpec, PartServing, SequenceBatching, TensorSpec, Variant

Role = Literal["preprocess", "model", "postprocess"]

# Numbers that a network takes whatever they are; uint8 is how pixels come.
_ANYTHING = ("TYPE_UINT8", "TYPE_FP16", "TYPE_BF16", "TYPE_FP32", "TYPE_FP64")
WARMUP = "warmup"
"""Folder of a part. Zero bytes are no picture, so the first step is warmed up with a real request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartNames:
    """Names of the parts in the repository; of the steps, those that the pipeline has."""

    preprocess: str | None = None
    model: str
    postprocess: str | None = None

    def of(self, role: Role) -> str:
        """The name of the part with this role."""
        name = {"preprocess": self.preprocess, "model": self.model, "postprocess": self.postprocess}[role]
        if name is None:
            raise KeyError(role)
        return name


def roles(spec: ModelSpec) -> tuple[Role, ...]:
    """The parts of the pipeline, in the order in which a request meets them."""
    before: tuple[Role, ...] = ("preprocess",) if spec.preprocess is not None else ()
    after: tuple[Role, ...] = ("postprocess",) if spec.postprocess is not None else ()
    return (*before, "model", *after)


def step_of(spec: ModelSpec, role: Role) -> Step | None:
    """The Python step of this role; `None` for a network."""
    if role == "model":
        stream = spec.source.stream
        return None if stream is None else stream_step(stream, spec.inputs, spec.outputs)
    return preprocess_step(spec) if role == "preprocess" else postprocess_step(spec)


def plain_names(spec: ModelSpec, variant: Variant) -> PartNames:
    """Names without digests, for people to read and review."""
    return PartNames(
        preprocess=f"{spec.name}_preprocess" if spec.preprocess is not None else None,
        model=f"{spec.name}_{variant.name}",
        postprocess=f"{spec.name}_postprocess" if spec.postprocess is not None else None,
    )


def request_tensors(spec: ModelSpec) -> tuple[TensorSpec, ...]:
    """What a client sends."""
    step = preprocess_step(spec)
    return spec.served_inputs() if step is None else step.inputs


def served_alone(spec: ModelSpec) -> bool:
    """Whether the network's part bears the served name itself, with no ensemble over it.

    A stream does: an ensemble tells its parts nothing of a client that left, so that they would go on to their end.
    """
    return spec.source.stream is not None


def part_config(spec: ModelSpec, variant: Variant, role: Role, name: str) -> ModelConfig:
    """The configuration of one part."""
    step = step_of(spec, role)
    fields = _model(spec, variant) if step is None or role == "model" else _step(spec, step, role)
    config = merge_config(new_config(), {"name": name, **fields}, where=f"{spec.name}: {role}")
    if role == "model" and spec.config:
        config = merge_config(config, spec.config, where="model.yaml: config")
    return config


def part_text(spec: ModelSpec, variant: Variant, role: Role, name: str) -> str:
    """`config.pbtxt` of one part."""
    text = write_config(part_config(spec, variant, role, name))
    return append_config_text(text, spec.config_text) if role == "model" else text


def ensemble_config(spec: ModelSpec, names: PartNames, version: int | None) -> ModelConfig:
    """The configuration of the ensemble; `version` is the one that it serves, none leaves it to Triton's default."""
    before, after = preprocess_step(spec), postprocess_step(spec)
    taken, given = spec.served_inputs(), spec.served_outputs()
    inside = {tensor.name: tensor.name if before is None else f"preprocessed_{tensor.name}" for tensor in taken}
    raw = {tensor.name: tensor.name if after is None else f"raw_{tensor.name}" for tensor in given}
    steps = [_call(names.model, inside, raw)]
    if before is not None:
        steps.insert(0, _call(names.of("preprocess"), {t.name: t.name for t in before.inputs}, inside))
    if after is not None:
        steps.append(_call(names.of("postprocess"), raw, {t.name: t.name for t in after.outputs}))
    fields: dict[str, Any] = {
        "name": spec.name,
        "platform": "ensemble",
        "max_batch_size": spec.serving.max_batch_size,
        "input": [_tensor(tensor) for tensor in request_tensors(spec)],
        "output": [_tensor(tensor) for tensor in (given if after is None else after.outputs)],
        "ensemble_scheduling": {"step": steps},
    }
    if version is not None:
        fields["version_policy"] = {"specific": {"versions": [version]}}
    return merge_config(new_config(), fields, where=f"{spec.name}: ensemble")


def _call(model: str, inputs: dict[str, str], outputs: dict[str, str]) -> dict[str, Any]:
    return {"model_name": model, "model_version": -1, "input_map": inputs, "output_map": outputs}


def review_text(spec: ModelSpec) -> str:
    """Every configuration of the published pipeline under names without digests, for review under version control."""
    variant = next(variant for variant in spec.variants if variant.name == spec.serving.variant)
    spec = placed_spec(spec, variant)
    names = plain_names(spec, variant)
    if served_alone(spec):
        return f"# {spec.name}/config.pbtxt\n{part_text(spec, variant, 'model', spec.name)}"
    texts = {spec.name: write_config(ensemble_config(spec, names, None))}
    texts |= {names.of(role): part_text(spec, variant, role, names.of(role)) for role in roles(spec)}
    return "\n".join(f"# {name}/config.pbtxt\n{text}" for name, text in texts.items())


def _step(spec: ModelSpec, step: Step, role: Role) -> dict[str, Any]:
    if role == "preprocess":
        warmup = _request_warmup(step) if spec.samples.pictures or spec.samples.requests else []
    else:
        warmup = _random_warmup(spec.outputs, spec.serving.max_batch_size)[:1]
    return {
        "backend": "python",
        "max_batch_size": spec.serving.max_batch_size,
        "input": [_tensor(tensor) for tensor in step.inputs],
        "output": [_tensor(tensor) for tensor in step.outputs],
        **_placement(step.serving),
        **_dynamic_batching(spec, step.serving),
        **({"model_warmup": warmup} if warmup else {}),
    }


def _model(spec: ModelSpec, variant: Variant) -> dict[str, Any]:
    return {
        "backend": variant.backend,
        "max_batch_size": spec.serving.max_batch_size,
        "input": [_tensor(tensor) for tensor in spec.served_inputs()],
        "output": [_tensor(tensor) for tensor in spec.served_outputs()],
        "parameters": {key: {"string_value": value} for key, value in spec.serving.parameters.items()},
        **_placement(spec.serving),
        **_transactions(spec),
    }


def _transactions(spec: ModelSpec) -> dict[str, Any]:
    """How requests become answers: batched, in sequences with a state, or streamed.

    A warm-up request belongs to no sequence, and what a stream makes of random numbers is not known: neither has one.
    """
    if spec.source.stream is not None:
        return {"model_transaction_policy": {"decoupled": True}}
    if spec.serving.sequence_batching is not None:
        return {"sequence_batching": _sequences(spec, spec.serving.sequence_batching)}
    warmup = _random_warmup(spec.inputs, spec.serving.max_batch_size)
    return {**_dynamic_batching(spec, spec.serving), "model_warmup": warmup}


def _sequences(spec: ModelSpec, batching: SequenceBatching) -> dict[str, Any]:
    dims = {tensor.name: {"data_type": tensor.data_type, "dims": list(tensor.dims)} for tensor in spec.inputs}
    return {
        "max_sequence_idle_microseconds": batching.max_sequence_idle_microseconds,
        "oldest": {
            "max_candidate_sequences": batching.oldest.max_candidate_sequences,
            "preferred_batch_size": list(batching.oldest.preferred_batch_size),
            "max_queue_delay_microseconds": batching.oldest.max_queue_delay_microseconds,
        },
        "state": [
            {
                "input_name": state.input_name,
                "output_name": state.output_name,
                **dims[state.input_name],
                # Without it Triton starts a sequence with whatever lies in memory.
                "initial_state": [{"name": "zeros", **dims[state.input_name], "zero_data": True}],
            }
            for state in batching.state
        ],
    }


def _request_warmup(step: Step) -> list[dict[str, Any]]:
    """One real request, from files in the part's `warmup/`. What is free has that request's size, which is written in."""
    inputs = {
        tensor.name: {"data_type": tensor.data_type, "dims": list(tensor.dims), "input_data_file": tensor.name}
        for tensor in step.inputs
    }
    return [{"name": "one request", "batch_size": 1, "inputs": inputs}] if _all_fixed(step.inputs) else []


def _all_fixed(tensors: tuple[TensorSpec, ...]) -> bool:
    return all(dim != -1 for tensor in tensors for dim in tensor.dims)


def _tensor(tensor: TensorSpec) -> dict[str, Any]:
    return {"name": tensor.name, "data_type": tensor.data_type, "dims": list(tensor.dims)}


def _placement(serving: PartServing) -> dict[str, Any]:
    return {
        # A part never changes under its name, so its only version is 1.
        "version_policy": {"specific": {"versions": [1]}},
        "instance_group": [{"kind": group.kind, "count": group.count} for group in serving.instance_group],
    }


def _dynamic_batching(spec: ModelSpec, serving: PartServing) -> dict[str, Any]:
    batching = serving.dynamic_batching
    if spec.serving.max_batch_size == 0:
        return {}
    return {
        "dynamic_batching": {
            "preferred_batch_size": list(batching.preferred_batch_size),
            "max_queue_delay_microseconds": batching.max_queue_delay_microseconds,
            "default_queue_policy": {"max_queue_size": batching.default_queue_policy.max_queue_size},
        }
    }


def _random_warmup(tensors: tuple[TensorSpec, ...], max_batch_size: int) -> list[dict[str, Any]]:
    """A batch of one and a full batch: what the first real requests would otherwise wait for.

    Random text is no text that a network was made for, and random wide integers are no indices: where there are any, there
    is no such warm-up.
    """
    if any(tensor.data_type not in _ANYTHING for tensor in tensors):
        return []
    inputs = {
        tensor.name: {
            "data_type": tensor.data_type,
            "dims": [1 if dim == -1 else dim for dim in tensor.dims],
            "random_data": True,
        }
        for tensor in tensors
    }
    # Without a batch dimension Triton still wants a batch size of 1 here.
    sizes = sorted({1, max(1, max_batch_size)})
    return [{"name": f"batch of {size}", "batch_size": size, "inputs": inputs} for size in sizes]
