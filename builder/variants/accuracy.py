"""What a variant costs in right answers: its file in process, on labelled samples, beside full precision's."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from tritonkit.evaluation.significance import CONFIDENCE, wilson_interval
from tritonkit.spec.errors import GateError, InputError
from tritonkit.spec.model import ImagePreprocess
from tritonkit.spec.references import find_function
from tritonkit.spec.verdicts import Accuracy

if TYPE_CHECKING:
    from pathlib import Path

    from builder.stages import AccuracyRequest, AccuracyResult
    from tritonkit.evaluation.datasets.dataset import DataSet
    from tritonkit.spec.gates import LabelledData

RIGHT = "right.npy"
"""Which samples were answered rightly, bool of shape (samples,), in one order for all variants."""

_ROWS_AT_ONCE = 16
_SEED = 0


def measure_accuracy(request: AccuracyRequest, inputs: dict[str, Path], out: Path) -> AccuracyResult:
    """Asks the variant's file about the test split, in process, under the transform of the evaluation.

    The served answers are those of the file: that is what the served gate has shown by then. Writes `right.npy`.

    Args:
        request: the data set and what the network takes.
        inputs: `model`, the folder with the variant's files; `folder`, where model.yaml lies.
        out: where to write.

    Raises:
        InputError: the data set has no classes, or its samples do not fit the network.
        GateError: a sample that the variant was calibrated on is in the test split.
    """
    # Here, not above: whoever only compares two results needs none of it.
    from builder.answers.in_process import asker  # noqa: PLC0415
    from builder.placement import to_pixels  # noqa: PLC0415
    from builder.stages import AccuracyResult  # noqa: PLC0415
    from builder.variants.calibration_samples import row_digest, row_maker  # noqa: PLC0415

    data = _read(request.data, request.outputs[0].dims[0], inputs["folder"])
    chosen = _choose(request.data, len(data.test.samples))
    samples, targets = data.test.samples[chosen], data.test.targets[chosen]
    seen = _calibrated_on(request, inputs["folder"])
    make, name = row_maker(request, inputs["folder"]), request.inputs[0].name
    ask, answered_by = asker(request.outputs, request.variant, inputs["model"])
    right = []
    for start in range(0, len(samples), _ROWS_AT_ONCE):
        rows = [make(_sample(one, name)) for one in samples[start : start + _ROWS_AT_ONCE]]
        if leaked := [start + index for index, row in enumerate(rows) if row_digest(row) in seen]:
            raise GateError(
                "a sample that accuracy is to be measured on was calibrated on",
                where=request.variant.name,
                got=f"test sample {chosen[leaked[0]]} of {data.name}",
                hint="draw the calibration samples from the training split",
            )
        tensor = np.concatenate([row[name] for row in rows])
        if request.variant.placement == "graph" and isinstance(request.preprocess, ImagePreprocess):
            tensor = to_pixels(tensor, request.preprocess).astype(np.uint8)
        scores = ask({name: tensor})[request.outputs[0].name]
        right.append(scores.argmax(axis=1) == targets[start : start + len(rows)])
    found = np.concatenate(right)
    np.save(out / RIGHT, found)
    count = len(found)
    whole = "the whole test split" if count == len(data.test.samples) else f"{count:,} drawn from the test split"
    return AccuracyResult(
        source=f"{data.name}, {whole}",
        measured=f"in process, {answered_by}",
        samples=count,
        right=int(found.sum()),
    )


def compare_accuracy(result: AccuracyResult, right: Path, baseline: Path) -> Accuracy:
    """What the variant costs against full precision, paired by sample.

    Args:
        result: of the variant.
        right: the folder with its `right.npy`.
        baseline: that of full precision.
    """
    own, full = np.load(right / RIGHT), np.load(baseline / RIGHT)
    drop, low, high = paired_drop(lost=int((full & ~own).sum()), won=int((own & ~full).sum()), samples=len(own))
    part_low, part_high = wilson_interval(result.right, result.samples)
    return Accuracy(
        source=result.source,
        measured=result.measured,
        samples=result.samples,
        accuracy=result.right / result.samples,
        accuracy_low=part_low,
        accuracy_high=part_high,
        drop_points=100 * drop,
        low=100 * low,
        high=100 * high,
    )


def paired_drop(*, lost: int, won: int, samples: int) -> tuple[float, float, float]:
    """How much smaller a proportion is than another of the same samples, and its 95 % interval.

    Half a sample is added to each of the four cells: Agresti and Min, "Simple improved confidence intervals for
    comparing matched proportions", Statistics in Medicine 24 (2005).

    Args:
        lost: samples that only the other has right.
        won: samples that only this one has right.
        samples: all of them.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    count = samples + 2
    middle = (lost - won) / count
    half = z * np.sqrt((lost + won + 1) - count * middle**2) / count
    return (lost - won) / samples, float(middle - half), float(middle + half)


def _read(source: LabelledData, classes: int, folder: Path) -> DataSet:
    data: DataSet = find_function(source.source, folder, "gates.accuracy.data.source")()
    if len(data.classes) != classes:
        raise InputError(
            "gates.accuracy.data: the data set has other classes than the network",
            where=source.source,
            got=f"{len(data.classes)} classes",
            expected=f"{classes}, one for each element of the first output",
        )
    return data


def _choose(source: LabelledData, count: int) -> np.ndarray:
    """Indices into the test split, ascending: the same ones for every variant."""
    if source.samples is None or source.samples >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(_SEED).choice(count, source.samples, replace=False))


def _calibrated_on(request: AccuracyRequest, folder: Path) -> frozenset[bytes]:
    from builder.variants.calibration_samples import read_samples, row_digest  # noqa: PLC0415 - as above

    calibration = request.variant.calibration
    if calibration is None:
        return frozenset()
    return frozenset(row_digest(row) for row in read_samples(request, calibration, folder))


def _sample(sample: np.ndarray, name: str) -> object:
    """A sample as a calibration source would yield it."""
    from PIL import Image  # noqa: PLC0415 - as above

    return Image.fromarray(sample) if sample.dtype == np.uint8 else {name: sample}
