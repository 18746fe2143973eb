"""Which layers an INT8 graph suffers from, and the fewest of them that must stay in float."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from builder.variants.int8 import layers, quantise
from tritonkit.spec.errors import GateError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx

    from builder.variants.int8 import Device

_ROWS_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """How much noise one layer alone, in INT8, brings into the outputs.

    Attributes:
        node: its name.
        operator: what it does.
        noise: power of the error over power of the signal, mean over the outputs; 0 is no error.
    """

    node: str
    operator: str
    noise: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """One point on the way to the gate.

    Attributes:
        kept: how many of the most sensitive layers are in float.
        agreement: part of the held-out samples that are answered as in full precision.
    """

    kept: int
    agreement: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiser:
    """One graph, its ranges and its device.

    Attributes:
        model: the FP32 graph's file.
        ranges: what `int8.measure_ranges` wrote.
        method: the method of calibration.
        device: whose scheme.
        keep_float: nodes that stay in float whatever is found.
    """

    model: Path
    ranges: Path
    method: str
    device: Device
    keep_float: tuple[str, ...] = ()

    def answers(
        self, samples: Mapping[str, np.ndarray], *, only: Sequence[str] = (), keep: Sequence[str] = ()
    ) -> list[np.ndarray]:
        """The outputs of the quantised graph."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.onnx"
            self.write(file, only=only, keep=keep)
            return ask(file, samples)

    def write(self, out: Path, *, only: Sequence[str] = (), keep: Sequence[str] = ()) -> None:
        """Writes the quantised graph."""
        quantise(
            self.model,
            out,
            ranges=self.ranges,
            method=self.method,
            device=self.device,
            only=only,
            keep_float=(*self.keep_float, *keep),
        )


def ask(model: Path, samples: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """All outputs of a graph over all rows of `samples`, on one thread."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    rows = len(next(iter(samples.values())))
    parts = [
        session.run(None, {name: array[start : start + _ROWS_AT_ONCE] for name, array in samples.items()})
        for start in range(0, rows, _ROWS_AT_ONCE)
    ]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def measure_layers(
    graph: onnx.ModelProto, quantiser: Quantiser, samples: Mapping[str, np.ndarray]
) -> tuple[Layer, ...]:
    """Quantises one layer at a time; the most sensitive comes first.

    Args:
        graph: the FP32 graph.
        quantiser: the same graph's file and ranges.
        samples: held-out rows by input name.
    """
    want = ask(quantiser.model, samples)
    found = [
        Layer(node=node.name, operator=node.op_type, noise=_noise(quantiser.answers(samples, only=[node.name]), want))
        for node in layers(graph)
        if node.name not in quantiser.keep_float
    ]
    return tuple(sorted(found, key=lambda layer: -layer.noise))


def find_mixed(
    quantiser: Quantiser, ordered: Sequence[Layer], samples: Mapping[str, np.ndarray], *, least: float
) -> tuple[Mixed, ...]:
    """Keeps one more of the most sensitive layers in float until the gate is met; the last point meets it.

    Met by a standard error of the figure more than is asked for: the gate itself is judged on other samples, and what
    was chosen because it was just enough here would fall short there every other time.

    Args:
        quantiser: the graph.
        ordered: its layers, the most sensitive first.
        samples: held-out rows by input name.
        least: the agreement that is asked for.

    Raises:
        GateError: no number of layers meets it.
    """
    want = ask(quantiser.model, samples)
    aimed_at = max(least, min(1.0, least + math.sqrt(max(0.0, least * (1 - least)) / len(want[0]))))
    points: list[Mixed] = []
    # From the front, one by one: agreement does not always rise with each layer, so halving could step over the least.
    for kept in range(len(ordered)):
        answers = quantiser.answers(samples, keep=[layer.node for layer in ordered[:kept]])
        points.append(Mixed(kept=kept, agreement=agreement(answers, want)))
        if points[-1].agreement >= aimed_at:
            return tuple(points)
    raise GateError(
        "int8 does not meet the gate, whichever layers stay in float",
        got=f"agreement {max(point.agreement for point in points):.2%} at best" if points else "a graph without layers",
        expected=f"at least {aimed_at:.2%} of {len(want[0])} samples: gates.accuracy.min_agreement {least:.2%} and a "
        "standard error, since other samples judge it",
        hint="try another calibration method, or serve fp16 or fp32",
    )


def agreement(got: Sequence[np.ndarray], want: Sequence[np.ndarray]) -> float:
    """Part of the samples whose likeliest class is the same; for what is no score of classes, 1 less the noise."""
    shares = [
        float(np.mean(a.argmax(-1) == b.argmax(-1)))
        if b.ndim == 2 and b.shape[-1] > 1
        else max(0.0, 1 - _noise([a], [b]))
        for a, b in zip(got, want, strict=True)
    ]
    return min(shares)


def _noise(got: Sequence[np.ndarray], want: Sequence[np.ndarray]) -> float:
    ratios = [
        float(np.mean((a.astype(np.float64) - b) ** 2) / max(float(np.var(b.astype(np.float64))), 1e-30))
        for a, b in zip(got, want, strict=True)
    ]
    return float(np.mean(ratios))
