"""A spec -> the configurations of its pipeline: preprocessing, network, postprocessing and the ensemble over them.

Pure: from the spec alone, with the parts' names given. Triton's words are used as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tritonkit.repository.config import ModelConfig, merge_config, new_config, write_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tritonkit.spec.model import ModelSpec, PartServing, TensorSpec, Variant

Role = Literal["preprocess", "model", "postprocess"]
ROLES: tuple[Role, ...] = ("preprocess", "model", "postprocess")

REQUEST_INPUT = "image"
"""The ensemble's input: the bytes of a picture."""
TOP_CLASS_OUTPUTS = ("class_id", "score", "label")
WARMUP_FILE = "picture"
"""In a part's `warmup/` folder. Zero bytes do not decode, so the picture step is warmed up with a real one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartNames:
    """Names of the parts in the repository."""

    preprocess: str
    model: str
    postprocess: str

    def of(self, role: Role) -> str:
        """The name of the part with this role."""
        return {"preprocess": self.preprocess, "model": self.model, "postprocess": self.postprocess}[role]


def plain_names(spec: ModelSpec, variant: Variant) -> PartNames:
    """Names without digests, for people to read and review."""
    return PartNames(
        preprocess=f"{spec.name}_preprocess",
        model=f"{spec.name}_{variant.name}",
        postprocess=f"{spec.name}_postprocess",
    )


def part_config(spec: ModelSpec, variant: Variant, role: Role, name: str) -> ModelConfig:
    """The configuration of one part."""
    fields = {"preprocess": _preprocess, "model": _model, "postprocess": _postprocess}[role](spec, variant)
    config = merge_config(new_config(), {"name": name, **fields}, where=f"{spec.name}: {role}")
    if role == "model" and spec.config:
        config = merge_config(config, spec.config, where="model.yaml: config")
    return config


def ensemble_config(spec: ModelSpec, names: PartNames, version: int | None) -> ModelConfig:
    """The configuration of the ensemble; `version` is the one that it serves, none leaves it to Triton's default."""
    network_input, network_output = spec.inputs[0].name, spec.outputs[0].name
    top_k = spec.postprocess.top_k
    fields: dict[str, Any] = {
        "name": spec.name,
        "platform": "ensemble",
        "max_batch_size": spec.serving.max_batch_size,
        "input": [{"name": REQUEST_INPUT, "data_type": "TYPE_STRING", "dims": [1]}],
        "output": [*_top_class_outputs(top_k), *(_tensor(output) for output in spec.outputs)],
        "ensemble_scheduling": {
            "step": [
                {
                    "model_name": names.preprocess,
                    "model_version": -1,
                    "input_map": {REQUEST_INPUT: REQUEST_INPUT},
                    "output_map": {network_input: f"preprocessed_{network_input}"},
                },
                {
                    "model_name": names.model,
                    "model_version": -1,
                    "input_map": {network_input: f"preprocessed_{network_input}"},
                    "output_map": {network_output: f"raw_{network_output}"},
                },
                {
                    "model_name": names.postprocess,
                    "model_version": -1,
                    "input_map": {network_output: f"raw_{network_output}"},
                    # The raw output goes through the last step too: Triton drops an output that a request leaves out
                    # even where another step waits for it ("unexpected deadlock").
                    "output_map": {key: key for key in (*TOP_CLASS_OUTPUTS, network_output)},
                },
            ]
        },
    }
    if version is not None:
        fields["version_policy"] = {"specific": {"versions": [version]}}
    return merge_config(new_config(), fields, where=f"{spec.name}: ensemble")


def review_text(spec: ModelSpec) -> str:
    """Every configuration of the published pipeline under names without digests, for review under version control."""
    variant = next(variant for variant in spec.variants if variant.name == spec.serving.variant)
    names = plain_names(spec, variant)
    configs = [ensemble_config(spec, names, None)] + [part_config(spec, variant, r, names.of(r)) for r in ROLES]
    return "\n".join(f"# {config.name}/config.pbtxt\n{write_config(config)}" for config in configs)


def step_parameters(spec: ModelSpec, role: Role) -> Mapping[str, object] | None:
    """`parameters.json` of a Python step; `None` for the network."""
    if role == "preprocess":
        choices = spec.preprocess.model_dump(mode="json", exclude={"kind", "serving", "antialias"})
        return {"input": REQUEST_INPUT, "output": spec.inputs[0].name, **choices}
    if role == "postprocess":
        return {"input": spec.outputs[0].name, "top_k": spec.postprocess.top_k}
    return None


def _preprocess(spec: ModelSpec, _variant: Variant) -> dict[str, Any]:
    warmup = {REQUEST_INPUT: {"data_type": "TYPE_STRING", "dims": [1], "input_data_file": WARMUP_FILE}}
    return {
        "backend": "python",
        "max_batch_size": spec.serving.max_batch_size,
        "input": [{"name": REQUEST_INPUT, "data_type": "TYPE_STRING", "dims": [1]}],
        "output": [_tensor(tensor) for tensor in spec.inputs],
        **_serving(spec.preprocess.serving),
        # Without a sample picture there is nothing that decodes.
        **(
            {"model_warmup": [{"name": "one picture", "batch_size": 1, "inputs": warmup}]}
            if spec.samples.pictures
            else {}
        ),
    }


def _model(spec: ModelSpec, variant: Variant) -> dict[str, Any]:
    return {
        "backend": variant.backend,
        "max_batch_size": spec.serving.max_batch_size,
        "input": [_tensor(tensor) for tensor in spec.inputs],
        "output": [_tensor(tensor) for tensor in spec.outputs],
        "parameters": {key: {"string_value": value} for key, value in spec.serving.parameters.items()},
        **_serving(spec.serving),
        "model_warmup": _random_warmup(spec.inputs, spec.serving.max_batch_size),
    }


def _postprocess(spec: ModelSpec, _variant: Variant) -> dict[str, Any]:
    return {
        "backend": "python",
        "max_batch_size": spec.serving.max_batch_size,
        "input": [_tensor(tensor) for tensor in spec.outputs],
        "output": [*_top_class_outputs(spec.postprocess.top_k), *(_tensor(tensor) for tensor in spec.outputs)],
        **_serving(spec.postprocess.serving),
        "model_warmup": _random_warmup(spec.outputs, spec.serving.max_batch_size)[:1],
    }


def _top_class_outputs(top_k: int) -> list[dict[str, Any]]:
    return [
        {"name": "class_id", "data_type": "TYPE_INT32", "dims": [top_k]},
        {"name": "score", "data_type": "TYPE_FP32", "dims": [top_k]},
        {"name": "label", "data_type": "TYPE_STRING", "dims": [top_k]},
    ]


def _tensor(tensor: TensorSpec) -> dict[str, Any]:
    return {"name": tensor.name, "data_type": tensor.data_type, "dims": list(tensor.dims)}


def _serving(serving: PartServing) -> dict[str, Any]:
    batching = serving.dynamic_batching
    return {
        # A part never changes under its name, so its only version is 1.
        "version_policy": {"specific": {"versions": [1]}},
        "instance_group": [{"kind": group.kind, "count": group.count} for group in serving.instance_group],
        "dynamic_batching": {
            "preferred_batch_size": list(batching.preferred_batch_size),
            "max_queue_delay_microseconds": batching.max_queue_delay_microseconds,
            "default_queue_policy": {"max_queue_size": batching.default_queue_policy.max_queue_size},
        },
    }


def _random_warmup(tensors: tuple[TensorSpec, ...], max_batch_size: int) -> list[dict[str, Any]]:
    """A batch of one and a full batch: what the first real requests would otherwise wait for."""
    inputs = {
        tensor.name: {
            "data_type": tensor.data_type,
            "dims": [1 if dim == -1 else dim for dim in tensor.dims],
            "random_data": True,
        }
        for tensor in tensors
    }
    sizes = sorted({1, max_batch_size})
    return [{"name": f"batch of {size}", "batch_size": size, "inputs": inputs} for size in sizes]
