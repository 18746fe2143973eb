"""Where a model comes from: the ways in of `model.yaml`."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from tritonkit.spec.document import Document, FunctionPath
from tritonkit.spec.kinds import PythonStream


class Source(Document):
    """Where the trained network comes from, and the truth that its preprocessing is held against."""

    factory: FunctionPath | None = Field(
        None,
        description="`module:function` that returns the torch.nn.Module, without weights. The module is looked for "
        "beside model.yaml first.",
    )
    weights: str | None = Field(
        None,
        description="State dict for the factory's network: a .safetensors, .pt or .pth file beside model.yaml, or "
        "`package:NAME/PATH` for a file inside an installed package. Never unpickled: read as safetensors or with "
        "weights_only=True.",
    )
    file: str | None = Field(
        None,
        description="In place of factory and weights, a whole network in one file: .onnx, with its external data "
        "in its own folder; .pt2, an ExportedProgram; .pt, TorchScript.",
    )
    stream: PythonStream | None = Field(
        None, description="In place of a network, a generator of your own that answers a request with several answers."
    )
    transform: FunctionPath | None = Field(
        None,
        description="`module:function`, the evaluation transform that the weights were measured with; the served "
        "preprocessing is held against it. It turns a PIL image, as opened, into the network's input (C, H, W); for "
        "other kinds, a mapping of request input to array, one sample without batch dimension, into the network's.",
    )
    answer: FunctionPath | None = Field(
        None,
        description="`module:function`, the evaluation's own postprocessing, that one of kind python is held against: "
        "a mapping of network output to array, the batch first, into a mapping of answers. Without it the step's "
        "function is held against itself, run where the weights are.",
    )

    sequence: FunctionPath | None = Field(
        None,
        description="`module:function`, the evaluation's own run over whole sequences, that a stateful network is held "
        "against step by step: (the factory's network, a mapping of input to tensor of shape (sequences, steps, ...)) "
        "-> a mapping of output to tensor, likewise. Without it the network is held against itself, run step by step.",
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        ways = sum(way is not None for way in (self.factory, self.file, self.stream))
        if ways != 1 or (self.factory is None) != (self.weights is None):
            raise ValueError("say either `factory` and `weights`, or `file`, or `stream`")
        if self.sequence is not None and self.factory is None:
            raise ValueError("source.sequence runs the network of `factory`, which is missing")
        return self

    def named_file(self) -> str:
        """The file that holds the trained numbers; of a stream, its source."""
        return self.file or self.weights or (self.stream.file if self.stream is not None else "")
