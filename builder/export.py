"""A torch network -> an ONNX model that the target release loads."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import onnx
import torch

from builder.samples import FREE_DIMENSION
from tritonkit.spec.dtypes import BY_TRITON
from tritonkit.spec.errors import InputError
from tritonkit.spec.ngc import release

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tritonkit.spec.model import TensorSpec

# What torch's exporter writes without converting, and every release in the table loads.
OPSET = 20
# Two samples: a batch of one would be taken for a constant.
_EXAMPLE_BATCH = 2


def export_onnx(
    network: torch.nn.Module, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], target: str
) -> onnx.ModelProto:
    """Exports `network` with a free batch dimension, and the free dimensions of the spec free.

    Raises:
        InputError: the network does not export; names the operator or construct and the module it stands in.
    """
    examples = tuple(_example(spec) for spec in inputs)
    shapes = _dynamic_shapes(network, inputs)
    limits = release(target)
    try:
        program = torch.onnx.export(
            network,
            examples if len(inputs) == 1 else (),
            kwargs=None if len(inputs) == 1 else {spec.name: t for spec, t in zip(inputs, examples, strict=True)},
            dynamo=True,
            input_names=[spec.name for spec in inputs],
            output_names=[spec.name for spec in outputs],
            dynamic_shapes=shapes,
            opset_version=min(OPSET, limits.opset),
            verbose=False,
        )
    except Exception as error:  # whatever stops the exporter is about the user's network
        raise _explain(network, error) from error
    if program is None:
        raise InputError("the network does not export", where=type(network).__name__, got="no program from torch.onnx")
    model = program.model_proto
    _drop_traces(model)
    model.ir_version = min(model.ir_version, limits.ir_version)
    onnx.checker.check_model(model)
    return model


def _example(spec: TensorSpec) -> torch.Tensor:
    shape = (_EXAMPLE_BATCH, *(FREE_DIMENSION if dim == -1 else dim for dim in spec.dims))
    dtype: torch.dtype = getattr(torch, BY_TRITON[spec.data_type].torch or "float32")
    return torch.zeros(shape, dtype=dtype)


def _dynamic_shapes(network: torch.nn.Module, inputs: Sequence[TensorSpec]) -> dict[str, dict[int, Any]]:
    names = list(inspect.signature(network.forward).parameters)
    keys = names[:1] if len(inputs) == 1 else [spec.name for spec in inputs]
    return {
        key: {0: torch.export.Dim.DYNAMIC}
        | {axis + 1: torch.export.Dim.DYNAMIC for axis, dim in enumerate(spec.dims) if dim == -1}
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
        hint="rewrite what stands there with operators that ONNX has; the log holds the exporter's whole report",
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
