"""The part of an engine's proof that needs no GPU: what it is asked, and what is said where it cannot be asked."""

import importlib.util
import shutil

import numpy as np
import pytest

from builder.engines.engine_parity import artefact_questions
from builder.engines.run_engine import EngineRunner, missing_runtime
from builder.golden import Golden
from tritonkit.spec.errors import InputError, UnavailableError
from tritonkit.spec.golden import Ask, Expect, GoldenBundle, Question


def question(level, model):
    return Question(
        level=level,
        model=model,
        samples=("one",),
        batches=(1,),
        inputs={"image": Ask(array="x")},
        outputs={"y": Expect(array="y")},
    )


def bundle():
    questions = (question("artefact", "toy_fp32"), question("served", "toy_fp32"), question("end_to_end", "toy"))
    return Golden(
        bundle=GoldenBundle(name="toy", variant="fp32", target="26.07", questions=questions),
        arrays={"x": np.zeros((1, 2)), "y": np.zeros((1, 2))},
        files={},
    )


def test_an_engine_is_held_against_the_original_weights_alone(tmp_path):
    asked = artefact_questions(bundle(), "toy_fp32", tmp_path)
    assert [(one.level, one.model) for one in asked.bundle.questions] == [("artefact", "toy_fp32")]


def test_a_model_that_the_bundle_does_not_ask(tmp_path):
    with pytest.raises(InputError, match="asks nothing of this model; got other"):
        artefact_questions(bundle(), "other", tmp_path)


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="this machine has a GPU's driver")
@pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None or missing_runtime() is not None,
    reason="needs TensorRT-RTX and cuda-bindings: pip install '.[tensorrt]'",
)
def test_without_a_driver_nothing_is_deserialised():
    with pytest.raises(UnavailableError, match="CUDA does not work here; got cudaError"):
        EngineRunner("tensorrt_rtx", b"vtrt")
