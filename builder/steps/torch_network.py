"""A network served in torch, for one that does not export to ONNX. Parameters: `parameters.json` beside this file.

`load` and `answer` run in the tools' process too, where the build holds them against the original weights.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file


class TritonPythonModel:
    """Called by Triton's Python backend."""

    def initialize(self, args: dict[str, str]) -> None:
        """Builds the network and reads its weights; on the GPU where Triton says so."""
        folder = Path(args["model_repository"]) / args["model_version"]
        on_gpu = args["model_instance_kind"] == "GPU"
        self.device = f"cuda:{args['model_instance_device_id']}" if on_gpu else "cpu"
        self.network, self.parameters = load(folder, self.device)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers each request; those of one shape run as one batch."""
        import triton_python_backend_utils as pb_utils  # noqa: PLC0415 - `load` and `answer` also run without Triton

        asked = [
            {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self.parameters["inputs"]}
            for request in requests
        ]
        responses: list[Any] = [None] * len(requests)
        for indices in self.same_shapes(asked):
            made = self.together([asked[index] for index in indices])
            for index, answers in zip(indices, made, strict=True):
                wanted = requests[index].requested_output_names()
                tensors = [pb_utils.Tensor(name, answers[name]) for name in wanted]
                responses[index] = pb_utils.InferenceResponse(tensors)
        return responses

    def same_shapes(self, asked: list[dict[str, np.ndarray]]) -> list[list[int]]:
        """Indices of the requests, in groups whose tensors can be put together."""
        if not self.parameters["batched"]:
            return [[index] for index in range(len(asked))]
        groups: dict[Any, list[int]] = {}
        for index, inputs in enumerate(asked):
            groups.setdefault(tuple(array.shape[1:] for array in inputs.values()), []).append(index)
        return list(groups.values())

    def together(self, asked: list[dict[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
        """The answers to requests of one shape."""
        if len(asked) == 1:
            return [answer(self.network, asked[0], self.parameters, self.device)]
        batch = {name: np.concatenate([inputs[name] for inputs in asked]) for name in asked[0]}
        outputs = answer(self.network, batch, self.parameters, self.device)
        ends = np.cumsum([len(next(iter(inputs.values()))) for inputs in asked])[:-1]
        split = {name: np.split(array, ends) for name, array in outputs.items()}
        return [{name: parts[index] for name, parts in split.items()} for index in range(len(asked))]


def load(folder: Path, device: str = "cpu") -> tuple[Any, dict[str, Any]]:
    """The network in `folder` with its weights, in evaluation mode, and its parameters."""
    parameters = json.loads((folder / "parameters.json").read_text(encoding="utf-8"))
    # A worker of each core in each process would have them fight for the cores.
    torch.set_num_threads(max(1, int(parameters["threads"])))
    if parameters["factory"] is None:
        network = torch.jit.load(str(folder / "network.pt"), map_location=device)  # type: ignore[no-untyped-call]
        return network.eval(), parameters
    sys.path.insert(0, str(folder / "network"))
    module, _, name = parameters["factory"].partition(":")
    network = getattr(importlib.import_module(module), name)()
    network.load_state_dict(load_file(folder / "weights.safetensors"))
    return network.to(device).eval(), parameters


def answer(
    network: Any, inputs: dict[str, np.ndarray], parameters: dict[str, Any], device: str = "cpu"
) -> dict[str, np.ndarray]:
    """The network's outputs by name, for inputs by name."""
    tensors = {name: torch.from_numpy(np.ascontiguousarray(inputs[name])).to(device) for name in parameters["inputs"]}
    by_position = len(tensors) == 1 or parameters["factory"] is None
    with torch.inference_mode():
        raw = network(*tensors.values()) if by_position else network(**tensors)
    names = parameters["outputs"]
    values = [raw[name] for name in names] if isinstance(raw, dict) else [raw] if torch.is_tensor(raw) else list(raw)
    return {name: value.cpu().numpy() for name, value in zip(names, values, strict=True)}
