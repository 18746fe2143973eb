"""The first stage: original weights -> `model.onnx` and what those weights answer, recorded once.

Every later comparison reads the recorded answers; torch is not imported again.
"""

from __future__ import annotations

import inspect
import io
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from PIL import Image

from builder.export import export_onnx
from builder.reference import Reference, write_reference
from builder.samples import make_pictures, make_tensors
from builder.sources.network import load_network
from builder.stages import CaptureRequest, CaptureResult
from tritonkit.evaluation.kinds.image import reference_transform
from tritonkit.spec.dtypes import BY_TORCH, BY_TRITON
from tritonkit.spec.errors import InputError
from tritonkit.spec.references import find_function

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tritonkit.spec.model import TensorSpec

_log = logging.getLogger(__name__)
_ROWS_AT_ONCE = 8


def capture(request: CaptureRequest, inputs: dict[str, Path], out: Path) -> CaptureResult:
    """Writes `model.onnx`, `reference.npz` and `pictures/` into `out`.

    Args:
        request: what to capture.
        inputs: `folder`, where model.yaml lies; `weights`; each real picture as `picture/NAME`.
        out: where to write.

    Raises:
        InputError: the weights, the factory, the transform or the spec's shapes are wrong, or the network does not
            export; says where.
    """
    folder = inputs["folder"]
    torch.manual_seed(0)
    network = load_network(request.source, inputs["weights"], folder)
    ask = _asker(network, request)

    tensors = make_tensors(request.inputs, request.samples)
    answers = ask(tensors.inputs)
    _check_outputs(answers, request.outputs, network)

    real = {name.removeprefix("picture/"): path for name, path in inputs.items() if name.startswith("picture/")}
    pictures = make_pictures(real)
    transformed = _transform(pictures, _transform_function(request, folder), request.inputs[0])
    kept = {name: data for name, data in pictures.items() if name in transformed}
    picture_inputs = {request.inputs[0].name: np.stack(list(transformed.values()))} if kept else {}

    write_reference(
        out,
        Reference(
            rows=tensors.names,
            inputs=dict(tensors.inputs),
            outputs=answers,
            pictures=kept,
            picture_inputs=picture_inputs,
            picture_outputs=ask(picture_inputs) if kept else {},
        ),
    )
    model = export_onnx(network, request.inputs, request.outputs, request.target)
    onnx.save(model, out / "model.onnx")
    return CaptureResult(
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        opset=model.opset_import[0].version,
        ir_version=model.ir_version,
        rows=len(tensors.names),
        pictures=len(kept),
    )


def _asker(network: torch.nn.Module, request: CaptureRequest) -> Callable[[Mapping[str, np.ndarray]], dict[str, Any]]:
    names = [spec.name for spec in request.inputs]
    _check_input_names(network, names)

    def ask(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        rows = len(inputs[names[0]])
        parts = [
            _answer(network, {name: inputs[name][start : start + _ROWS_AT_ONCE] for name in names}, request.outputs)
            for start in range(0, rows, _ROWS_AT_ONCE)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return ask


def _check_input_names(network: torch.nn.Module, names: Sequence[str]) -> None:
    """Several inputs are passed by name, so they must be `forward`'s own; one is passed by position."""
    known = list(inspect.signature(network.forward).parameters)
    strange = [name for name in names if name not in known]
    if len(names) > 1 and strange:
        raise InputError(
            "inputs: the network takes no such input",
            where=f"{type(network).__name__}.forward",
            got=", ".join(strange),
            expected=", ".join(known),
        )


def _answer(
    network: torch.nn.Module, batch: Mapping[str, np.ndarray], outputs: Sequence[TensorSpec]
) -> dict[str, np.ndarray]:
    tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
    try:
        with torch.inference_mode():
            raw = network(*tensors.values()) if len(tensors) == 1 else network(**tensors)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        shapes = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in tensors.items())
        raise InputError(
            "inputs: the network cannot run on the shapes of the spec",
            where=_failing_module(network, error),
            got=f"{shapes}: {str(error).partition(chr(10))[0]}",
            hint="dims are those of the network's forward, without the batch dimension",
        ) from error
    return {name: tensor.numpy() for name, tensor in _by_name(raw, outputs, network).items()}


def _failing_module(network: torch.nn.Module, error: BaseException) -> str:
    """The innermost module whose `forward` was running when `error` was raised."""
    paths = {id(module): name for name, module in network.named_modules()}
    where = type(network).__name__
    trace = error.__traceback__
    while trace is not None:
        module = trace.tb_frame.f_locals.get("self")
        if id(module) in paths and paths[id(module)]:
            where = f"{type(network).__name__}.{paths[id(module)]}"
        trace = trace.tb_next
    return where


def _by_name(raw: Any, outputs: Sequence[TensorSpec], network: torch.nn.Module) -> dict[str, torch.Tensor]:
    names = [spec.name for spec in outputs]
    where = f"{type(network).__name__}.forward"
    if isinstance(raw, dict):
        if missing := [name for name in names if name not in raw]:
            raise InputError(
                "outputs: the network gives no such output",
                where=where,
                got=", ".join(missing),
                expected=", ".join(map(str, raw)),
            )
        return {name: raw[name] for name in names}
    tensors = [raw] if isinstance(raw, torch.Tensor) else list(raw)
    if len(tensors) != len(names):
        raise InputError(
            "outputs: the network gives another number of outputs",
            where=where,
            got=f"{len(names)} in the spec: {', '.join(names)}",
            expected=f"{len(tensors)}, of shapes {', '.join(str(list(t.shape)) for t in tensors)}",
        )
    return dict(zip(names, tensors, strict=True))


def _check_outputs(answers: Mapping[str, np.ndarray], outputs: Sequence[TensorSpec], network: torch.nn.Module) -> None:
    for spec in outputs:
        shape, dtype = answers[spec.name].shape[1:], answers[spec.name].dtype
        fits = len(shape) == len(spec.dims) and all(
            dim in (-1, size) for dim, size in zip(spec.dims, shape, strict=True)
        )
        if not fits or dtype != np.dtype(BY_TRITON[spec.data_type].numpy):
            real = next((entry.triton for entry in BY_TORCH.values() if entry.numpy == str(dtype)), str(dtype))
            raise InputError(
                f"outputs.{spec.name}: the network's answer is another one",
                where=f"{type(network).__name__}.forward",
                got=f"{spec.data_type} {list(spec.dims)} in the spec",
                expected=f"{real} {list(shape)}",
            )


def _transform_function(request: CaptureRequest, folder: Path) -> Callable[[Image.Image], torch.Tensor]:
    if request.source.transform is not None:
        return find_function(request.source.transform, folder, "source.transform")
    return lambda image: reference_transform(image, request.preprocess)


def _transform(
    pictures: Mapping[str, bytes], transform: Callable[[Image.Image], torch.Tensor], spec: TensorSpec
) -> dict[str, np.ndarray]:
    """The network's input for each picture that the transform takes."""
    transformed: dict[str, np.ndarray] = {}
    for name, data in pictures.items():
        with Image.open(io.BytesIO(data)) as image:
            try:
                tensor = transform(image)
            except (RuntimeError, ValueError, TypeError, OSError) as error:
                if not name.startswith("edge_"):
                    raise InputError(
                        "source.transform fails on a picture of samples.pictures", where=name, got=error
                    ) from error
                # A transform without `convert("RGB")` has no answer for such a picture, so there is nothing to equal.
                _log.warning("source.transform takes no %s: %s", name, error)
                continue
        array = tensor.numpy().astype(np.float32, copy=False)
        if array.shape != spec.dims:
            raise InputError(
                "source.transform gives another shape than the spec's input",
                where=name,
                got=list(array.shape),
                expected=list(spec.dims),
            )
        transformed[name] = array
    return transformed
