"""A torch network -> an ONNX model that the target release loads."""

from __future__ import annotations

import inspect
import io
import re
import warnings
from typing import TYPE_CHECKING, Any

import onnx
import torch

from builder.samples import sized
from tritonkit.spec.dtypes import BY_TRITON
from tritonkit.spec.errors import InputError
from tritonkit.spec.ngc import release

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from builder.stages import CaptureRequest
    from tritonkit.spec.model import TensorSpec

# What torch's exporter writes without converting, and every release in the table loads.
OPSET = 20
# Two samples: a batch of one would be taken for a constant.
_EXAMPLE_BATCH = 2
_EXAMPLE_SIZE = 7
# The last that torch's exporter of TorchScript knows.
SCRIPT_OPSET = 20


def export_onnx(network: torch.nn.Module, request: CaptureRequest) -> onnx.ModelProto:
    """Exports `network` with a free batch dimension, and the free dimensions of the spec free.

    Raises:
        InputError: the network does not export; names the operator or construct and the module it stands in.
    """
    inputs, outputs = request.inputs, request.outputs
    examples = tuple(_example(spec, request.batched) for spec in inputs)
    limits = release(request.target)
    try:
        program = torch.onnx.export(
            network,
            examples if len(inputs) == 1 else (),
            kwargs=None if len(inputs) == 1 else {spec.name: t for spec, t in zip(inputs, examples, strict=True)},
            dynamo=True,
            input_names=[spec.name for spec in inputs],
            output_names=_placeholders(outputs),
            dynamic_shapes=_dynamic_shapes(network, inputs, request.batched),
            opset_version=min(OPSET, limits.opset),
            verbose=False,
        )
    except Exception as error:  # whatever stops the exporter is about the user's network
        raise _explain(network, error) from error
    if program is None:
        raise InputError("the network does not export", where=type(network).__name__, got="no program from torch.onnx")
    model = program.model_proto
    rename_outputs(model, [spec.name for spec in outputs])
    return _finish(model, limits.ir_version)


def export_script(network: torch.nn.Module, request: CaptureRequest) -> onnx.ModelProto:
    """Exports a TorchScript program, which only torch's older exporter takes.

    Raises:
        InputError: it does not export.
    """
    names = [spec.name for spec in (*request.inputs, *request.outputs)]
    axes = {
        spec.name: ({0: "batch"} if request.batched else {})
        | {axis + request.batched: f"{spec.name}_{axis}" for axis, dim in enumerate(spec.dims) if dim == -1}
        for spec in (*request.inputs, *request.outputs)
    }
    buffer = io.BytesIO()
    limits = release(request.target)
    try:
        with warnings.catch_warnings():
            # Deprecated by torch, and the only way for TorchScript.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                tuple(_example(spec, request.batched) for spec in request.inputs),
                buffer,  # type: ignore[arg-type]  # the older exporter takes a file that is open
                dynamo=False,
                input_names=names[: len(request.inputs)],
                output_names=names[len(request.inputs) :],
                dynamic_axes=axes,
                opset_version=min(SCRIPT_OPSET, limits.opset),
            )
    except Exception as error:
        raise _explain(network, error) from error
    return _finish(onnx.load_from_string(buffer.getvalue()), limits.ir_version)


def _placeholders(outputs: Sequence[TensorSpec]) -> list[str]:
    """Names that the exporter has given to nothing: it does not notice when an output's is one that a node has."""
    return [f"tritonkit_output_{index}" for index in range(len(outputs))]


def rename_outputs(model: onnx.ModelProto, names: Sequence[str]) -> None:
    """Gives the graph's outputs these names; what bears one of them inside the graph moves out of the way."""
    old = [output.name for output in model.graph.output]
    renamed = {name: f"{name}.inner" for name in names if name not in old} | dict(zip(old, names, strict=True))
    _rename(model.graph, renamed)


def _rename(graph: onnx.GraphProto, renamed: Mapping[str, str]) -> None:
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                _rename(inner, renamed)
    for tensor in graph.initializer:
        tensor.name = renamed.get(tensor.name, tensor.name)
    for value in (*graph.value_info, *graph.output):
        value.name = renamed.get(value.name, value.name)


def _finish(model: onnx.ModelProto, ir_version: int) -> onnx.ModelProto:
    _drop_traces(model)
    model.ir_version = min(model.ir_version, ir_version)
    if model.ByteSize() < onnx.checker.MAXIMUM_PROTOBUF:
        onnx.checker.check_model(model)
    return model


def _example(spec: TensorSpec, batched: bool) -> torch.Tensor:
    shape = sized(spec, dict.fromkeys(spec.free_names(), _EXAMPLE_SIZE))
    dtype: torch.dtype = getattr(torch, BY_TRITON[spec.data_type].torch or "float32")
    low = 0 if spec.values is None else max(0, spec.values[0])
    return torch.full((_EXAMPLE_BATCH, *shape) if batched else shape, low, dtype=dtype)


def _dynamic_shapes(network: torch.nn.Module, inputs: Sequence[TensorSpec], batched: bool) -> dict[str, dict[int, Any]]:
    names = list(inspect.signature(network.forward).parameters)
    keys = names[:1] if len(inputs) == 1 else [spec.name for spec in inputs]
    return {
        key: ({0: torch.export.Dim.DYNAMIC} if batched else {})
        | {axis + batched: torch.export.Dim.DYNAMIC for axis, dim in enumerate(spec.dims) if dim == -1}
        for key, spec in zip(keys, inputs, strict=True)
    }


def _drop_traces(model: onnx.ModelProto) -> None:
    """Removes the exporter's notes: source paths of this machine, and megabytes of stack traces."""
    del model.metadata_props[:]
    model.doc_string = ""
    del model.graph.metadata_props[:]
    for function in model.functions:
        del function.metadata_props[:]
    for node in (*model.graph.node, *(node for function in model.functions for node in function.node)):
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]


_OPERATOR = re.compile(r"\b(?:aten|prims|quantized|torchvision)[.:]{1,2}\w+")


def _explain(network: torch.nn.Module, error: BaseException) -> InputError:
    """What stopped the export, and in which module."""
    chain = _chain(error)
    texts = [str(link) for link in chain]
    operator = next((found.group(0) for text in texts for found in [_OPERATOR.search(text)] if found), None)
    reason = texts[-1].partition("\n")[0].strip() or type(chain[-1]).__name__
    module = next((path for link in chain for path in [_module_of(network, link)] if path), None)
    return InputError(
        "the network does not export to ONNX",
        where=f"{type(network).__name__}.{module}" if module else type(network).__name__,
        got=f"{operator}: {reason}" if operator and operator not in reason else reason,
        hint="rewrite what stands there with operators that ONNX has, or add a variant `{name: eager, backend: python}`,"
        " which runs the network in torch; the log holds the exporter's whole report",
    )


def _chain(error: BaseException) -> list[BaseException]:
    """`error` and what caused it, the first cause last."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    return chain


def _module_of(network: torch.nn.Module, error: BaseException) -> str | None:
    """The innermost module that was at work when `error` was raised.

    While the network is traced its modules run; while the traced graph is translated, the node at hand remembers the
    module that it came from.
    """
    paths = {id(module): name for name, module in network.named_modules()}
    found = None
    trace = error.__traceback__
    while trace is not None:
        running = trace.tb_frame.f_locals.get("self")
        found = paths.get(id(running)) or found
        for value in trace.tb_frame.f_locals.values():
            if isinstance(value, torch.fx.Node) and (stack := value.meta.get("nn_module_stack")):
                # By path as the tracer writes it: `L['self'].features.3`, or `features.3`.
                found = str(next(reversed(stack.values()))[0]).removeprefix("L['self'].") or found
        trace = trace.tb_next
    return found
