"""How long a variant takes against full precision, side by side in one run, on the hardware of this machine."""

from __future__ import annotations

import platform
import statistics
import sys
import time
import types
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tritonkit.spec.dtypes import BY_TRITON
from tritonkit.spec.model import ImagePreprocess
from tritonkit.spec.verdicts import Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import onnxruntime

    from builder.stages import TimeRequest, TimeResult

_ROUNDS = 15
_SECONDS_A_ROUND = 0.05
_FREE_DIMENSION = 64
# What decides how fast integers are, where /proc/cpuinfo names it.
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")


def hardware_name(threads: int) -> str:
    """The processor, its instructions for integers and the threads that a session may use, in words."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    found = [flag for flag in _FLAGS if flag in fields.get("flags", "").split()]
    name = fields.get("model name", platform.processor() or platform.machine())
    return f"{name} ({', '.join([*found[-1:], f'{threads} thread' + ('s' if threads > 1 else '')])})"


def time_variant(request: TimeRequest, inputs: dict[str, Path], out: Path) -> TimeResult:  # noqa: ARG001 - as stages are
    """Times the variant's file and full precision's in turn, so that neighbours on the machine slow both.

    Where the variant's graph normalises pixels, full precision's time has the step's normalisation in it.

    Args:
        request: inputs of the network, batch sizes, threads.
        inputs: `model` and `baseline`, folders with a model.onnx each.
        out: nothing is written.
    """
    from builder.stages import TimeResult  # noqa: PLC0415 - a stage's function and its documents name each other

    sessions = [_session(inputs[name] / "model.onnx", request.threads) for name in ("baseline", "model")]
    random = np.random.default_rng(0)
    timings = []
    for batch in request.batches:
        if isinstance(request.normalised_in_graph, ImagePreprocess):
            calls = _with_normalisation(sessions, request.inputs[0].name, batch, request.normalised_in_graph)
        else:
            feed = {
                spec.name: random.standard_normal(
                    (batch, *(_FREE_DIMENSION if dim == -1 else dim for dim in spec.dims))
                ).astype(BY_TRITON[spec.data_type].numpy)
                for spec in request.inputs
            }
            calls = [partial(session.run, None, feed) for session in sessions]
        baseline, variant = _in_turn(calls)
        ratios = [b / v for b, v in zip(baseline, variant, strict=True)]
        low, high = _interval(ratios)
        timings.append(
            Timing(
                hardware=request.hardware,
                batch=batch,
                milliseconds=1000 * statistics.median(variant),
                baseline_milliseconds=1000 * statistics.median(baseline),
                ratio=statistics.median(ratios),
                low=low,
                high=high,
            )
        )
    return TimeResult(timings=tuple(timings))


def _session(model: Path, threads: int) -> onnxruntime.InferenceSession:
    import onnxruntime  # noqa: PLC0415 - whoever only asks for the hardware's name needs it not

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def _with_normalisation(
    sessions: Sequence[onnxruntime.InferenceSession], name: str, batch: int, choices: ImagePreprocess
) -> list[Callable[[], object]]:
    """Pixels to outputs: by the step's own normalisation and the first session, and by the second alone."""
    # The step imports Triton's own module, of which what is called here uses nothing.
    sys.modules.setdefault("triton_python_backend_utils", types.ModuleType("triton_python_backend_utils"))
    from builder.steps import image_preprocess as step  # noqa: PLC0415 - as above

    pixels = np.random.default_rng(0).integers(0, 256, (batch, choices.crop, choices.crop, 3), np.uint8)
    table = step.normalisation_table(choices.model_dump())
    channels = (0, 1, 2) if choices.channel_order == "RGB" else (2, 1, 0)

    def by_the_step() -> object:
        tensor = np.empty((batch, 3, choices.crop, choices.crop), np.float32)
        for picture, row in zip(pixels, tensor, strict=True):
            step.normalise(picture, table, channels, row)
        return sessions[0].run(None, {name: tensor})

    return [by_the_step, partial(sessions[1].run, None, {name: pixels})]


def _in_turn(calls: Sequence[Callable[[], object]]) -> list[list[float]]:
    """Seconds a call, by what is called and round; the first call of each is left out."""
    times: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(_ROUNDS):
        for column, call in zip(times, calls, strict=True):
            began, count = time.perf_counter(), 0
            while count == 0 or time.perf_counter() - began < _SECONDS_A_ROUND:
                call()
                count += 1
            column.append((time.perf_counter() - began) / count)
    return times


def _interval(ratios: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the median, by a bootstrap over the rounds."""
    random = np.random.default_rng(0)
    medians = np.median(random.choice(np.array(ratios), (2000, len(ratios))), axis=1)
    low, high = np.quantile(medians, (0.025, 0.975))
    return float(low), float(high)
