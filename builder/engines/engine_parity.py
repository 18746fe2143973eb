"""An engine on the GPU at hand against the original weights' recorded answers: a golden bundle's artefact questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.answers.served import replay
from builder.engines.child import end_with_parent
from builder.engines.engine_cache import CachedEngine, read_verified
from builder.engines.records import EngineRecord, library_title
from builder.engines.run_engine import EngineRunner
from builder.golden import Golden, read_golden
from tritonkit.spec.errors import InputError
from tritonkit.spec.model import Document
from tritonkit.spec.parity import ParityReport

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np


class ParityRequest(Document):
    """Which engine answers, and as which model of the bundle."""

    model: str
    record: EngineRecord


def prove_engine(request: ParityRequest, inputs: dict[str, Path], out: Path) -> ParityReport:
    """Asks the engine what its ONNX file was asked; `builder.stage` calls this in a child process.

    Args:
        request: the engine and the model.
        inputs: `engine`, its file; `golden`, the bundle's folder.
        out: unused; every stage has one.

    Raises:
        GateError: the engine's bytes are not the ones that were built, or the library refuses them.
        UnavailableError: there is no GPU, or no way to run an engine from Python.
        InputError: the bundle asks nothing of this model.
    """
    del out
    end_with_parent()
    golden = artefact_questions(read_golden(inputs["golden"]), request.model, inputs["golden"])
    engine = CachedEngine(file=inputs["engine"], record=request.record, cached=True)
    key = request.record.key
    with EngineRunner(key.library, read_verified(engine)) as runner:

        def ask(model: str, tensors: Mapping[str, np.ndarray], outputs: tuple[str, ...]) -> Mapping[str, np.ndarray]:
            del model
            answers = runner.run(tensors)
            return {name: answers[name] for name in outputs}

        comparisons = replay(golden, ask, "in process")
    return ParityReport(
        name=golden.bundle.name,
        variant=golden.bundle.variant,
        passed=all(comparison.passed for comparison in comparisons),
        asked=f"an engine on {request.record.gpu}",
        server=library_title(key),
        comparisons=tuple(comparisons),
    )


def artefact_questions(golden: Golden, model: str, where: Path) -> Golden:
    """The bundle without anything but what the part `model` was asked in process.

    Raises:
        InputError: that is nothing.
    """
    questions = tuple(one for one in golden.bundle.questions if (one.level, one.model) == ("artefact", model))
    if not questions:
        raise InputError("the golden bundle asks nothing of this model", where=where, got=model)
    bundle = golden.bundle.model_copy(update={"questions": questions})
    return Golden(bundle=bundle, arrays=golden.arrays, files={})
