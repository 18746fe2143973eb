"""Normalisation fused into the graph: the network takes the pixels themselves, a quarter of the bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import onnx
from onnx import helper, numpy_helper

from builder.capture import save_onnx
from builder.placement import channel_numbers
from tritonkit.spec.errors import InputError
from tritonkit.spec.model import ImagePreprocess

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from builder.stages import ConvertRequest

Layout = Literal["NHWC", "NCHW"]


def convert(request: ConvertRequest, file: Path) -> None:
    """Fuses what `request.preprocess` does to a pixel into the variant's `file`, whatever its precision.

    Raises:
        InputError: preprocessing is of another kind than image.
    """
    if not isinstance(request.preprocess, ImagePreprocess):
        raise InputError("placement graph is for preprocess of kind image", where=request.variant.name)
    mean, std = channel_numbers(request.preprocess)
    model = fuse_normalisation(
        onnx.load(file), request.inputs[0].name, mean=mean.tolist(), std=std.tolist(), layout="NHWC"
    )
    save_onnx(model, file)


def fuse_normalisation(
    model: onnx.ModelProto, tensor: str, *, mean: Sequence[float], std: Sequence[float], layout: Layout
) -> onnx.ModelProto:
    """A graph that takes uint8 pixels where `model` takes `(pixels / 255 - mean) / std`.

    The same operations in the same order as the Python step does them, in FP32, so the network sees the same bits.
    They come before whatever precision the rest of the graph has.

    Args:
        model: a graph with an FP32 input [batch, C, H, W].
        tensor: the input's name; it stays.
        mean: subtracted from each channel where a pixel goes from 0 to 1, in the order of the channels.
        std: each channel is divided by it.
        layout: of the new input: NHWC as a decoder gives it (a Transpose follows), or NCHW.

    Raises:
        InputError: there is no such input.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    value = next((value for value in made.graph.input if value.name == tensor), None)
    kind = value.type.tensor_type if value is not None else None
    if kind is None or kind.elem_type != onnx.TensorProto.FLOAT or len(kind.shape.dim) != 4:
        raise InputError(
            "normalisation can be fused into an FP32 input [batch, C, H, W] only",
            where=tensor,
            got=[entry.name for entry in model.graph.input],
        )
    normalised = f"{tensor}_normalised"
    for node in made.graph.node:
        node.input[:] = [normalised if name == tensor else name for name in node.input]
    steps = [helper.make_node("Cast", [tensor], [f"{tensor}_fp32"], name=f"{tensor}_cast", to=onnx.TensorProto.FLOAT)]
    if layout == "NHWC":
        steps.append(
            helper.make_node(
                "Transpose", [f"{tensor}_fp32"], [f"{tensor}_nchw"], name=f"{tensor}_transpose", perm=[0, 3, 1, 2]
            )
        )
    for operator, suffix, numbers in (("Div", "scaled", [255.0]), ("Sub", "centred", mean), ("Div", "normalised", std)):
        constant = f"{tensor}_{suffix}_by"
        array = np.array(numbers, np.float32).reshape(-1, 1, 1)
        made.graph.initializer.append(numpy_helper.from_array(array, constant))
        steps.append(
            helper.make_node(
                operator, [steps[-1].output[0], constant], [f"{tensor}_{suffix}"], name=f"{tensor}_{suffix}"
            )
        )
    rest = list(made.graph.node)
    del made.graph.node[:]
    made.graph.node.extend([*steps, *rest])
    kind.elem_type = onnx.TensorProto.UINT8
    if layout == "NHWC":
        dims = [kind.shape.dim[i] for i in (0, 2, 3, 1)]
        shape = onnx.TensorShapeProto(dim=dims)
        kind.shape.CopyFrom(shape)
    del made.graph.value_info[:]
    onnx.checker.check_model(made)
    return made
