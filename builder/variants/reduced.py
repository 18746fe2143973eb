"""fp16, bf16 and int8 from the captured graph: clean-up, real samples, what must stay in FP32, the graph."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from builder.reference import read_reference
from builder.variants.calibration_samples import read_samples, read_splits, stack
from builder.variants.clean_up import clean_up
from builder.variants.half import FORMATS, to_half
from builder.variants.int8 import measure_ranges, quantise_dynamic
from builder.variants.loadable import check_loadable
from builder.variants.sensitivity import Quantiser, agreement, ask, find_mixed, measure_layers
from builder.variants.value_ranges import find_overflows, float_tensors, largest_magnitudes
from tritonkit.spec.errors import InputError
from tritonkit.spec.verdicts import KeptNode, LayerNoise, MixedPoint, Optimisation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

    from builder.stages import ConvertRequest
    from builder.variants.clean_up import CleanUp
    from tritonkit.spec.variants import Calibration

# The sensitivity asks the whole graph once for each layer; so many of the held-out samples order the layers well.
_SENSITIVITY_ROWS = 64
# Values seen on samples are not the largest that will ever come.
_HEADROOM = 2.0


def convert(request: ConvertRequest, captured: Path, folder: Path, out: Path) -> Optimisation:
    """Writes the variant's `model.onnx` into `out`.

    Args:
        request: what to make.
        captured: the capture's outputs.
        folder: where model.yaml lies, for the source of the samples.
        out: where to.

    Raises:
        InputError: the calibration source is wrong, or a node that is to be kept is not in the graph.
        GateError: no mixed precision meets the gate, or the target does not load the result.
    """
    variant = request.variant
    source = onnx.load(captured / "model.onnx")
    # int8 needs it in any case: a BatchNormalization that is not folded would be quantised by itself.
    cleans = variant.optimise or variant.precision == "int8"
    done = clean_up(source) if cleans else None
    graph = done.model if done is not None else source
    if unknown := set(variant.keep_float) - {node.name for node in graph.graph.node}:
        raise InputError("keep_float: the graph has no such node", where=variant.name, got=", ".join(sorted(unknown)))
    if variant.precision == "fp32":
        onnx.save(graph, out / "model.onnx")
        facts = Optimisation.model_validate(_sizes(source, done))
    elif variant.precision == "int8":
        facts = _int8(request, graph, folder, out, _sizes(source, done))
    else:
        facts = _half(request, graph, _real_batches(request, captured, folder), out, _sizes(source, done))
    check_loadable(onnx.load(out / "model.onnx", load_external_data=False), request.target, variant.name)
    return facts


def _sizes(source: onnx.ModelProto, done: CleanUp | None) -> dict[str, int]:
    count = len(source.graph.node)
    return {"nodes_before": count, "nodes_after": done.nodes_after if done is not None else count}


def _real_batches(request: ConvertRequest, captured: Path, folder: Path) -> Iterator[Mapping[str, np.ndarray]]:
    """What the original weights were asked, and the calibration samples where there are some."""
    reference = read_reference(captured)
    yield from (rows.inputs for rows in (*reference.tensors, *reference.requests))
    if request.variant.calibration is not None:
        yield from read_samples(request, request.variant.calibration, folder)


def _half(
    request: ConvertRequest,
    graph: onnx.ModelProto,
    batches: Iterator[Mapping[str, np.ndarray]],
    out: Path,
    sizes: Mapping[str, int],
) -> Optimisation:
    form = FORMATS[request.variant.precision]
    overflows = find_overflows(graph, largest_magnitudes(graph, batches), form.largest / _HEADROOM)
    operators = {node.name: node.op_type for node in graph.graph.node}
    kept = [
        KeptNode(
            node=found.node,
            operator=found.operator,
            reason=f"{found.tensor} reaches {found.largest:.3g}; {form.name} ends at {form.largest:.5g}",
        )
        for found in overflows
    ]
    kept += [_by_spec(name, operators[name]) for name in request.variant.keep_float]
    keep = frozenset(node.node for node in kept)
    onnx.save(to_half(graph, form, float_tensors(graph), keep), out / "model.onnx")
    return Optimisation(**sizes, kept=tuple(kept), calibration=_told(request.variant.calibration))


def _int8(
    request: ConvertRequest, graph: onnx.ModelProto, folder: Path, out: Path, sizes: Mapping[str, int]
) -> Optimisation:
    variant = request.variant
    operators = {node.name: node.op_type for node in graph.graph.node}
    by_spec = tuple(_by_spec(name, operators[name]) for name in variant.keep_float)
    with tempfile.TemporaryDirectory() as work:
        model, ranges = Path(work) / "model.onnx", Path(work) / "ranges.json"
        onnx.save(graph, model)
        if variant.calibration is None:
            quantise_dynamic(model, out / "model.onnx", keep_float=variant.keep_float)
            return Optimisation(**sizes, kept=by_spec, calibration="dynamic: scales from each request")
        splits = read_splits(request, variant.calibration, folder)
        measure_ranges(model, splits.calibration, variant.calibration, ranges)
        held_out, judged = stack(splits.held_out), stack(splits.judged)
        quantiser = Quantiser(
            model=model,
            ranges=ranges,
            method=variant.calibration.method,
            device=variant.device,
            keep_float=variant.keep_float,
        )
        few = {name: array[:_SENSITIVITY_ROWS] for name, array in held_out.items()}
        ordered = measure_layers(graph, quantiser, few)
        points = find_mixed(quantiser, ordered, held_out, least=request.min_agreement)
        kept = ordered[: points[-1].kept]
        quantiser.write(out / "model.onnx", keep=[layer.node for layer in kept])
        agrees = agreement(ask(out / "model.onnx", judged), ask(model, judged))
    reasons = tuple(
        KeptNode(
            node=layer.node,
            operator=layer.operator,
            reason=f"sensitive: alone in int8 it brings noise of {layer.noise:.2g} of the signal",
        )
        for layer in kept
    )
    return Optimisation(
        **sizes,
        kept=(*by_spec, *reasons),
        calibration=_told(variant.calibration),
        agreement=agrees,
        layers=tuple(LayerNoise(node=one.node, operator=one.operator, noise=one.noise) for one in ordered),
        mixed=tuple(MixedPoint(kept=point.kept, agreement=point.agreement) for point in points),
    )


def _by_spec(name: str, operator: str) -> KeptNode:
    return KeptNode(node=name, operator=operator, reason="keep_float of the spec")


def _told(calibration: Calibration | None) -> str:
    if calibration is None:
        return ""
    return f"{calibration.samples} samples of {calibration.name}, {calibration.method}"
