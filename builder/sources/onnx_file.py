"""An ONNX file -> a network: checked, its external data plain files in its own folder, answered by ONNX Runtime."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
from onnx.external_data_helper import uses_external_data

from builder.arrays import as_text
from builder.sources.network import Network
from tritonkit.spec.dtypes import BY_ONNX_CODE
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from builder.stages import CaptureRequest
    from tritonkit.spec.model import TensorSpec


def open_onnx(request: CaptureRequest, file: Path) -> Network:
    """The network in `file`.

    Its answers are those of ONNX Runtime with every optimisation off: the graph as it was written.

    Raises:
        InputError: it is no valid model, its external data lies elsewhere, or its inputs and outputs are others than
            the spec's.
    """
    model = read_onnx(file)
    _check_tensors(model.graph.input, request.inputs, request, "inputs", file)
    _check_tensors(model.graph.output, request.outputs, request, "outputs", file)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # whatever ONNX Runtime says is about the user's file
        raise InputError("source.file: ONNX Runtime does not load the model", where=file, got=error) from error
    names = [spec.name for spec in request.outputs]

    def ask(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        feed = {name: as_text(array) for name, array in inputs.items()}
        try:
            answers = session.run(names, feed)
        except Exception as error:
            shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
            raise InputError(
                "inputs: the network cannot run on the shapes of the spec", where=file.name, got=f"{shapes}: {error}"
            ) from error
        return dict(zip(names, answers, strict=True))

    return Network(
        where=file.name,
        parameters=sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer),
        ask=ask,
        export=lambda: onnx.load(file),
    )


def read_onnx(file: Path) -> onnx.ModelProto:
    """The checked model in `file`, its external data left where it is.

    Raises:
        InputError: it is no valid model, or its external data is no plain file below its own folder.
    """
    try:
        model = onnx.load(file, load_external_data=False)
    except Exception as error:  # noqa: BLE001 - protobuf has no one exception for a file that is none
        raise InputError("source.file: the file is truncated or no ONNX model", where=file, got=error) from None
    for tensor in _external(model):
        _check_external(tensor, file)
    try:
        onnx.checker.check_model(str(file))
    except onnx.checker.ValidationError as error:
        raise InputError("source.file: the ONNX model is not valid", where=file, got=_first_line(error)) from None
    return model


def _external(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    return (tensor for tensor in model.graph.initializer if uses_external_data(tensor))


def _check_external(tensor: onnx.TensorProto, file: Path) -> None:
    location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
    pure = PurePosixPath(location)
    path = file.parent / location
    outside = pure.is_absolute() or ".." in pure.parts or not path.resolve().is_relative_to(file.parent.resolve())
    if outside or path.is_symlink():
        raise InputError(
            "source.file: external data must be plain files in the model's own folder",
            where=file,
            got=f"{tensor.name} in {location!r}",
            hint="save the model again with its data beside it",
        )
    if not path.is_file():
        raise InputError(
            "source.file: external data is missing", where=file, got=f"{tensor.name} in {location!r}", expected=path
        )


def _check_tensors(
    values: Sequence[onnx.ValueInfoProto],
    specs: Sequence[TensorSpec],
    request: CaptureRequest,
    key: str,
    file: Path,
) -> None:
    known = {value.name: value for value in values}
    if missing := [spec.name for spec in specs if spec.name not in known]:
        raise InputError(
            f"{key}: the network has no such tensor", where=file, got=", ".join(missing), expected=", ".join(known)
        )
    for spec in specs:
        tensor = known[spec.name].type.tensor_type
        data_type = BY_ONNX_CODE.get(tensor.elem_type)
        if data_type is None or data_type.triton != spec.data_type:
            raise InputError(
                f"{key}.{spec.name}: the network's data type is another one",
                where=file,
                got=f"{spec.data_type} in the spec",
                expected=data_type.triton if data_type else f"ONNX type {tensor.elem_type}, which Triton lacks",
            )
        dims = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim]
        own = dims[1:] if request.batched else dims
        if request.batched and dims and dims[0] != -1:
            raise InputError(
                f"{key}.{spec.name}: the network's first dimension is no free batch dimension",
                where=file,
                got=dims,
                hint="export it with a free first dimension, or say serving.max_batch_size: 0 and the whole shape",
            )
        # A dimension that the file leaves open may be said more exactly by the spec, never the other way round.
        if len(own) != len(spec.dims) or any(o not in (-1, s) for o, s in zip(own, spec.dims, strict=True)):
            raise InputError(
                f"{key}.{spec.name}: the network's shape is another one",
                where=file,
                got=f"{list(spec.dims)} in the spec",
                expected=own,
            )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
