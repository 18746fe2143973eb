"""What DALI makes of real pictures, held to the transform that the weights were evaluated with, in steps of a pixel."""

from __future__ import annotations

import importlib.util
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tritonkit.spec.errors import GateError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    from builder.golden import Golden

# Largest difference of a pixel, of 255, by filter. Pillow rounds and clips between its two passes, DALI does not; with
# a filter that overshoots, an edge is a few steps another. Measured on the CPU: 0, 1, 5 and 8.
TOLERANCE = {"nearest": 1.0, "bilinear": 2.0, "bicubic": 8.0, "lanczos": 12.0}
# And the mean over a picture's pixels: another size or corner is far beyond it. Measured: 0.3, and 0.8 on a picture that
# lanczos makes ten times as large.
MEAN_TOLERANCE = 1.0
_ROUNDING = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How far DALI's answer to one picture lies from the transform's.

    Attributes:
        picture: its name.
        worst: largest difference, in steps of a pixel of 255; infinite where DALI does not read the picture.
        mean: the mean over all pixels, in the same steps.
        problem: what DALI said, where it does not read it.
    """

    picture: str
    worst: float
    mean: float
    problem: str = ""


def hold_to_transform(folder: Path, parameters: Mapping[str, Any], golden: Golden) -> tuple[Difference, ...]:
    """Serialises the pipeline in `folder` as Triton's backend does, and asks it for the pictures of `golden`.

    Args:
        folder: the version folder, with `dali.py` and `parameters.json`.
        parameters: what the latter says.
        golden: the candidate's golden bundle; its preprocess questions have the transform's answers.

    Raises:
        UnavailableError: DALI is not installed, or cannot run here.
    """
    pipeline = _Pipeline(folder, parameters)
    found = []
    for question in golden.bundle.questions:
        if question.level != "preprocess":
            continue
        (ask,), (expect,) = question.inputs.values(), question.outputs.values()
        want = golden.arrays[expect.array or ""]
        found += [
            _difference(name, pipeline, golden.files[file], row, parameters)
            for name, file, row in zip(question.samples, ask.files, want, strict=True)
        ]
    return tuple(found)


def require_close(differences: Sequence[Difference], interpolation: str) -> None:
    """Refuses what lies further off than the filter's tolerance.

    Raises:
        GateError: names the worst picture, what it differs by and what is allowed.
    """
    allowed = TOLERANCE[interpolation]
    failed = [one for one in differences if one.worst > allowed + _ROUNDING or one.mean > MEAN_TOLERANCE]
    if not failed:
        return
    worst = max(failed, key=lambda one: one.worst)
    raise GateError(
        "DALI's pixels are not those of the transform",
        where=", ".join(one.picture for one in failed),
        got=worst.problem or f"{worst.picture}: {worst.worst:.1f} of 255, {worst.mean:.2f} in the mean",
        expected=f"at most {allowed:g} of 255 with {interpolation}, {MEAN_TOLERANCE:g} in the mean",
        hint="keep the Python step, or state the picture formats that clients send and build with those alone",
    )


class _Pipeline:
    """A pipeline that was written to a file and read again, as the backend does."""

    def __init__(self, folder: Path, parameters: Mapping[str, Any]) -> None:
        try:
            from nvidia.dali import Pipeline  # noqa: PLC0415 - an extra: large, and for GPU nodes
            from nvidia.dali._utils.autoserialize import invoke_autoserialize  # noqa: PLC0415 - as above
        except ImportError as error:
            raise UnavailableError(
                "NVIDIA DALI is not here", got=error, hint="pip install nvidia-dali-cuda130: the extra `dali`"
            ) from error
        self._input, self._on_gpu = parameters["input"], parameters["device"] == "gpu"
        with tempfile.TemporaryDirectory() as work:
            file = Path(work) / "model.dali"
            try:
                invoke_autoserialize(_load(folder / "dali.py"), str(file))
            except RuntimeError as error:
                raise UnavailableError(
                    f"DALI makes no pipeline for the {parameters['device']} of this machine",
                    got=str(error).partition("\n")[0],
                    hint="run it on the node, or say --device cpu",
                ) from error
            data = file.read_bytes()
        # A pipeline that failed once is of no use afterwards: each picture gets its own.
        self._make = partial(
            Pipeline.deserialize,
            data,
            batch_size=1,
            num_threads=1,
            device_id=0 if self._on_gpu else None,
            prefetch_queue_depth=1,
            exec_pipelined=False,
            exec_async=False,
        )

    def ask(self, data: bytes) -> np.ndarray:
        """The answer to one picture."""
        pipeline = self._make()
        pipeline.feed_input(self._input, [np.frombuffer(data, np.uint8)])
        (tensors,) = pipeline.run()
        answer: np.ndarray = (tensors.as_cpu() if self._on_gpu else tensors).as_array()[0]
        return answer


def _load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("dali_pipeline_to_serialise", file)
    assert spec is not None  # noqa: S101 - a .py file has a loader
    assert spec.loader is not None  # noqa: S101 - a .py file has a loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _difference(
    name: str, pipeline: _Pipeline, data: bytes, want: np.ndarray, parameters: Mapping[str, Any]
) -> Difference:
    try:
        got = pipeline.ask(data)
    except RuntimeError as error:
        first = next((line for line in str(error).splitlines() if line.startswith("Error")), str(error))
        return Difference(picture=name, worst=float("inf"), mean=float("inf"), problem=f"{name}: {first}")
    step: float | np.ndarray = 1.0
    if not parameters["pixels"]:
        order = 1 if parameters["channel_order"] == "RGB" else -1
        step = 255 * np.asarray(parameters["std"][::order])[:, None, None]
    steps = np.abs(got.astype(np.float64) - want) * step
    return Difference(picture=name, worst=float(steps.max()), mean=float(steps.mean()))
