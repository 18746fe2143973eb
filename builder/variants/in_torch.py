"""The network served in torch, as it was trained: for one that does not export to ONNX."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import save_file

from builder.sources.weights import read_state_dict
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from builder.stages import ConvertRequest

_STEPS = Path(__file__).parent.parent / "steps"


def convert(request: ConvertRequest, inputs: Mapping[str, Path], out: Path) -> None:
    """Writes the step that runs torch, the network's code and its weights, as safetensors, into `out`.

    Args:
        request: what to make.
        inputs: `weights`; each Python file beside model.yaml as `code/PATH`.
        out: where to.

    Raises:
        InputError: the source is an ONNX file, which needs no torch.
    """
    source = request.source
    shutil.copyfile(_STEPS / "torch_network.py", out / "model.py")
    if source.factory is not None:
        _write_code(inputs, out / "network")
        save_file(_own_storage(inputs["weights"]), out / "weights.safetensors")
    elif inputs["weights"].suffix in (".pt", ".pth", ".torchscript"):
        shutil.copyfile(inputs["weights"], out / "network.pt")
    else:
        raise InputError(
            "backend python runs torch; this network comes exported",
            where=inputs["weights"].name,
            hint="give the variant backend onnxruntime",
        )
    parameters = {
        "factory": source.factory,
        "inputs": [tensor.name for tensor in request.inputs],
        "outputs": [tensor.name for tensor in request.outputs],
        "batched": request.batched,
        "threads": request.threads,
    }
    (out / "parameters.json").write_text(json.dumps(parameters, indent=2) + "\n")


def _own_storage(weights: Path) -> dict[str, torch.Tensor]:
    """Tensors that share their memory, as tied weights do, each with its own: safetensors keeps no sharing."""
    return {name: tensor.clone().contiguous() for name, tensor in read_state_dict(weights).items()}


def _write_code(inputs: Mapping[str, Path], folder: Path) -> None:
    folder.mkdir()
    for name, path in inputs.items():
        if name.startswith("code/"):
            target = folder / name.removeprefix("code/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
