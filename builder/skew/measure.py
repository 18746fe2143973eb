"""Skew, measured: the same bytes through the live preprocessing and through `source.transform`, then the network on both.

Parity asks the spec's few samples; what only some real pictures show, such as a rare mode, size or codec, shows here.
"""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from builder.answers.in_process import asker
from builder.answers.served import AT_ONCE
from builder.kinds import REQUEST_IMAGE
from builder.placement import channel_numbers, to_pixels
from builder.prove import own_packages, server_version
from builder.skew.samples import read_pictures
from builder.transforms import TRANSFORM_ERRORS, as_inputs, find_transform
from clients import Client, ClientError
from tritonkit.server import ServerOptions, TritonServer
from tritonkit.spec.errors import GateError, InputError
from tritonkit.spec.model import ImagePreprocess
from tritonkit.spec.skew import SkewReport, SkewSample, Spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from builder.answers.in_process import Ask
    from builder.stages import SkewRequest
    from tritonkit.spec.gates import SkewGate

AMPLIFICATION = 32.0
"""Of differences, in the pictures: a single step of 255 can be seen, and two pictures can be told apart."""
WORST = 3
"""Samples that are drawn."""

_ROWS_AT_ONCE = 16
# A difference that is no number is as far off as a float32 can be: JSON has neither NaN nor infinity.
_FARTHEST = float(np.finfo(np.float32).max)

Picture = tuple[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One sample, by both ways.

    Attributes:
        name: the sample.
        pixel: largest difference of a pixel, in steps of 255.
        logit: largest difference of an output.
        top1_changed: whether the first output has its largest element elsewhere; none where it is no list of scores.
        source: the picture that source.transform makes, float32 of shape (side, side, 3), in 0..255, RGB.
        served: the picture that the served step makes, likewise.
    """

    name: str
    pixel: float
    logit: float
    top1_changed: bool | None
    source: np.ndarray
    served: np.ndarray

    def used(self, gate: SkewGate) -> tuple[float, float, float]:
        """What to order samples by: the larger part of an allowance that was used, then the differences themselves."""
        parts = (
            _part(self.pixel, gate.max_pixel_difference),
            _part(self.logit, gate.max_logit_difference),
        )
        return max(parts), self.pixel, self.logit


def measure_skew(request: SkewRequest, inputs: dict[str, Path], out: Path) -> SkewReport:
    """Serves the preprocessing alone in a real Triton, asks it about every picture, and holds it to `source.transform`.

    Writes pictures of the worst samples into `out/skew`. The report says whether it passed; the caller decides what
    to do about it.

    Args:
        request: the gate, both preprocessings and the network's tensors.
        inputs: `repository`, the staged one; `model`, the folder with the variant's files; `folder`, where
            model.yaml lies.
        out: where to write.

    Raises:
        InputError: the source has too few samples, or the transform fails on one.
        GateError: the served step refuses a picture that the transform takes.
    """
    told, pictures = read_pictures(request.gate, inputs["folder"])
    answer, _ = asker(request.outputs, request.variant, inputs["model"])
    options = ServerOptions(
        repository=inputs["repository"],
        models=(request.part,),
        release=request.target,
        packages=own_packages(request.requirements),
    )
    with TritonServer(options) as server, Client(server.grpc_url) as client:
        compared = _compare_all(pictures, request, inputs, client, answer)
        report = make_report(compared, request, out / "skew", data=told, server=server_version(server.http_url))
    shutil.copyfile(server.log_path, out / "tritonserver.log")
    return report


def _compare_all(
    pictures: Iterator[Picture], request: SkewRequest, inputs: dict[str, Path], client: Client, answer: Ask
) -> Iterator[Compared]:
    transform = _named_transform(request, inputs)

    def serve(picture: Picture) -> np.ndarray:
        name, data = picture
        asked = {REQUEST_IMAGE: np.array([[data]], dtype=object)}
        try:
            return client.infer(request.part, asked, outputs=(request.inputs[0].name,))[request.inputs[0].name]
        except ClientError as error:
            raise GateError(
                "the served preprocessing refuses a picture that source.transform takes", where=name, got=error
            ) from error

    with ThreadPoolExecutor(AT_ONCE) as pool:
        while chunk := list(islice(pictures, _ROWS_AT_ONCE)):
            source = np.stack([transform(picture) for picture in chunk])
            served = np.concatenate(list(pool.map(serve, chunk)))
            yield from compare_rows([name for name, _ in chunk], source, served, request, answer)


def _named_transform(request: SkewRequest, inputs: dict[str, Path]) -> Callable[[Picture], np.ndarray]:
    transform = find_transform(request, inputs)

    def call(picture: Picture) -> np.ndarray:
        name, data = picture
        try:
            made = transform({REQUEST_IMAGE: np.array([data], dtype=object)})
        except TRANSFORM_ERRORS as error:
            raise InputError("source.transform fails on a sample", where=name, got=error) from error
        return as_inputs(made, request.inputs, name)[request.inputs[0].name]

    return call


def compare_rows(
    names: Sequence[str], source: np.ndarray, served: np.ndarray, request: SkewRequest, answer: Ask
) -> Iterator[Compared]:
    """Compares both preprocessings of some samples, and what the network answers to them.

    Args:
        names: of the samples.
        source: what source.transform makes: float32 of shape (samples, 3, side, side).
        served: what the served step makes: likewise; where the variant's graph normalises, uint8 of shape
            (samples, side, side, 3). Such a network is asked about the transform's pixels rounded to whole ones.
        request: the kind's choices and the network's tensors.
        answer: asks the network in process.
    """
    if not isinstance(request.preprocess, ImagePreprocess):
        raise InputError("skew is measured of preprocess of kind image", got=request.preprocess)
    choices = request.preprocess
    source_pixels = to_pixels(source, choices)
    if request.variant.placement == "graph":
        served_pixels = served.astype(np.float32)
        steps = np.abs(served_pixels.astype(np.float64) - source_pixels)
        asked = np.rint(source_pixels.clip(0, 255)).astype(np.uint8)
    else:
        served_pixels = to_pixels(served, choices)
        _, std = channel_numbers(choices)
        steps = np.abs(served.astype(np.float64) - source) * (255 * std[:, None, None])
        asked = source
    name = request.inputs[0].name
    want, got = answer({name: asked}), answer({name: served})
    logits = np.max([_largest(np.abs(got[one].astype(np.float64) - want[one])) for one in want], axis=0)
    first = request.outputs[0].name
    scores = want[first].ndim == 2
    changed = want[first].argmax(-1) != got[first].argmax(-1)
    order = slice(None) if choices.channel_order == "RGB" else slice(None, None, -1)
    for index, (pixel, logit) in enumerate(zip(_largest(steps), logits, strict=True)):
        yield Compared(
            name=names[index],
            pixel=float(pixel),
            logit=float(logit),
            top1_changed=bool(changed[index]) if scores else None,
            source=source_pixels[index, ..., order],
            served=served_pixels[index, ..., order],
        )


def make_report(
    compared: Iterable[Compared], request: SkewRequest, folder: Path, *, data: str, server: str
) -> SkewReport:
    """What the samples say together; writes the pictures of the worst ones into `folder`."""
    gate = request.gate
    pixels, logits, changes = [], [], []
    worst: list[Compared] = []
    for one in compared:
        pixels.append(one.pixel)
        logits.append(one.logit)
        changes.append(one.top1_changed)
        # Two tensors of every sample would not fit into memory; those of the worst so far do.
        worst = sorted([*worst, one], key=lambda sample: sample.used(gate), reverse=True)[:WORST]
    return SkewReport(
        variant=request.variant.name,
        data=data,
        model=request.part,
        server=server,
        samples=len(pixels),
        equal=pixels.count(0.0),
        pixel=spread(pixels),
        logit=spread(logits),
        top1_changes=None if None in changes else changes.count(True),
        max_pixel_difference=gate.max_pixel_difference,
        max_logit_difference=gate.max_logit_difference,
        reason=gate.reason,
        amplification=AMPLIFICATION,
        worst=tuple(_draw(one, rank, folder) for rank, one in enumerate(worst, 1)),
    )


def spread(figures: Sequence[float]) -> Spread:
    """Median, 99th percentile (of the figures themselves, none between two of them) and largest."""
    return Spread(
        median=float(np.median(figures)),
        p99=float(np.quantile(figures, 0.99, method="inverted_cdf")),
        max=float(np.max(figures)),
    )


def _draw(one: Compared, rank: int, folder: Path) -> SkewSample:
    folder.mkdir(exist_ok=True)
    pictures = {
        "source": one.source,
        "served": one.served,
        "difference": AMPLIFICATION * np.abs(one.served - one.source),
    }
    files = {}
    for what, picture in pictures.items():
        files[what] = f"{rank}_{what}.png"
        whole = np.rint(np.nan_to_num(picture).clip(0, 255)).astype(np.uint8)
        Image.fromarray(whole).save(folder / files[what])
    return SkewSample(
        name=one.name,
        pixel=one.pixel,
        logit=one.logit,
        top1_changed=bool(one.top1_changed),
        source=files["source"],
        served=files["served"],
        difference=files["difference"],
    )


def _largest(differences: np.ndarray) -> np.ndarray:
    """The largest difference of each row."""
    found: np.ndarray = np.nan_to_num(
        differences.reshape(len(differences), -1).max(axis=1), nan=_FARTHEST, posinf=_FARTHEST
    )
    return found


def _part(got: float, allowed: float) -> float:
    if got == 0:
        return 0.0
    return got / allowed if allowed else float("inf")
