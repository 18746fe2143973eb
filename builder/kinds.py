"""What each kind of pre- and postprocessing puts into a repository: its step, parameters, files and packages. Pure."""

from __future__ import annotations

import importlib.util
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.placement import PIXELS
from tritonkit.spec.dtypes import BY_TRITON
from tritonkit.spec.errors import InputError
from tritonkit.spec.model import (
    ClassificationPostprocess,
    ImagePreprocess,
    PythonPostprocess,
    PythonPreprocess,
    PythonStream,
    StepServing,
    TabularPreprocess,
    TensorSpec,
    TextPreprocess,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tritonkit.spec.model import ModelSpec

_STEPS = Path(__file__).parent / "steps"

REQUEST_IMAGE = "image"
"""Input of a request to a pipeline of kind image: the bytes of a picture."""
REQUEST_TEXT = "text"
"""Input of a request to a pipeline of kind text."""
LABELS = "labels.txt"
TOKENIZER = "tokenizer.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A Python step as it goes into a repository.

    Attributes:
        source: its file, which becomes model.py.
        parameters: what parameters.json says.
        packages: version specifier by distribution, of what it imports besides the standard library.
        inputs: what it takes.
        outputs: what it gives.
        serving: how it runs.
        files: what lies beside it: by name there, the reference in the spec.
    """

    source: Path
    parameters: Mapping[str, Any]
    packages: Mapping[str, str]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    serving: StepServing
    files: Mapping[str, str] = field(default_factory=dict)


def preprocess_step(spec: ModelSpec) -> Step | None:
    """The step that turns a request into the network's input; `None` where requests are that input."""
    kind = spec.preprocess
    if kind is None:
        return None
    requests = request_inputs(kind)
    if isinstance(kind, ImagePreprocess):
        choices = kind.model_dump(mode="json", exclude={"kind", "serving", "antialias"})
        return Step(
            source=_STEPS / "image_preprocess.py",
            parameters={
                "input": REQUEST_IMAGE,
                "output": spec.inputs[0].name,
                "pixels": spec.inputs[0].data_type == PIXELS,
                **choices,
            },
            packages={"numpy": "", "pillow": ""},
            inputs=requests,
            outputs=spec.inputs,
            serving=kind.serving,
        )
    if isinstance(kind, TextPreprocess):
        return Step(
            source=_STEPS / "text_preprocess.py",
            parameters={
                "input": REQUEST_TEXT,
                "max_length": kind.max_length,
                "pad_id": kind.pad_id,
                "outputs": {tensor.name: BY_TRITON[tensor.data_type].numpy for tensor in spec.inputs},
            },
            packages={"numpy": "", "tokenizers": ">=0.21,<1"},
            inputs=requests,
            outputs=spec.inputs,
            serving=kind.serving,
            files={TOKENIZER: kind.tokenizer},
        )
    if isinstance(kind, TabularPreprocess):
        return Step(
            source=_STEPS / "tabular_preprocess.py",
            parameters={
                "output": spec.inputs[0].name,
                "columns": [column.model_dump(mode="json") for column in kind.columns],
            },
            packages={"numpy": ""},
            inputs=requests,
            outputs=spec.inputs,
            serving=kind.serving,
        )
    return _python_step(kind, requests, spec.inputs, ())


def postprocess_step(spec: ModelSpec) -> Step | None:
    """The step that turns the network's output into an answer; `None` where that output is the answer."""
    kind = spec.postprocess
    if kind is None:
        return None
    # The network's own outputs go through the last step too: Triton drops an output that a request leaves out even
    # where another step waits for it ("unexpected deadlock").
    if isinstance(kind, ClassificationPostprocess):
        top = (
            TensorSpec(name="class_id", data_type="TYPE_INT32", dims=(kind.top_k,)),
            TensorSpec(name="score", data_type="TYPE_FP32", dims=(kind.top_k,)),
            TensorSpec(name="label", data_type="TYPE_STRING", dims=(kind.top_k,)),
        )
        return Step(
            source=_STEPS / "classification_postprocess.py",
            parameters={"input": spec.outputs[0].name, "top_k": kind.top_k},
            packages={"numpy": ""},
            inputs=spec.outputs,
            outputs=(*top, *spec.outputs),
            serving=kind.serving,
            files={LABELS: kind.labels},
        )
    passed_on = tuple(tensor.name for tensor in spec.outputs)
    return _python_step(kind, spec.outputs, (*kind.outputs, *spec.outputs), passed_on)


def _python_step(
    kind: PythonPreprocess | PythonPostprocess,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    passed_on: tuple[str, ...],
) -> Step:
    return Step(
        source=_STEPS / "python_function.py",
        parameters={
            "file": Path(kind.file).name,
            "function": kind.function,
            "inputs": [tensor.name for tensor in inputs],
            "passed_on": list(passed_on),
        },
        packages={"numpy": "", **kind.packages},
        inputs=inputs,
        outputs=outputs,
        serving=kind.serving,
        files={Path(reference).name: reference for reference in (kind.file, *kind.files)},
    )


def stream_step(stream: PythonStream, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> Step:
    """The step that takes the network's place where the source is a stream."""
    return Step(
        source=_STEPS / "python_stream.py",
        parameters={
            "file": Path(stream.file).name,
            "function": stream.function,
            "time_limit": stream.time_limit,
            "inputs": [tensor.name for tensor in inputs],
            "outputs": {tensor.name: BY_TRITON[tensor.data_type].numpy for tensor in outputs},
        },
        packages={"numpy": "", **stream.packages},
        inputs=inputs,
        outputs=outputs,
        serving=StepServing(),
        files={Path(reference).name: reference for reference in (stream.file, *stream.files)},
    )


def write_step(step: Step, role: str, inputs: Mapping[str, Path], version: Path) -> None:
    """Writes the step's version folder.

    Args:
        step: the step.
        role: of its part.
        inputs: a stage's, with the step's files as `file/ROLE/NAME`.
        version: where to; it is there.
    """
    shutil.copyfile(step.source, version / "model.py")
    (version / "parameters.json").write_text(json.dumps(step.parameters, indent=2) + "\n")
    for name in step.files:
        shutil.copyfile(inputs[f"file/{role}/{name}"], version / name)


def request_inputs(
    kind: ImagePreprocess | TextPreprocess | TabularPreprocess | PythonPreprocess,
) -> tuple[TensorSpec, ...]:
    """What a client sends, for preprocessing of this kind."""
    if isinstance(kind, ImagePreprocess):
        return (TensorSpec(name=REQUEST_IMAGE, data_type="TYPE_STRING", dims=(1,)),)
    if isinstance(kind, TextPreprocess):
        return (TensorSpec(name=REQUEST_TEXT, data_type="TYPE_STRING", dims=(1,)),)
    if isinstance(kind, TabularPreprocess):
        return tuple(
            TensorSpec(name=column.name, data_type="TYPE_STRING" if column.categories else "TYPE_FP32", dims=(1,))
            for column in kind.columns
        )
    return kind.inputs


def own_function(
    kind: PythonPreprocess | PythonPostprocess | PythonStream, role: str, inputs: Mapping[str, Path]
) -> Callable[..., Any]:
    """The user's own function, run where the weights are.

    Args:
        kind: what names it.
        role: `preprocess`, `postprocess` or, of a stream, `model`.
        inputs: a stage's, with the step's files as `file/ROLE/NAME`.

    Raises:
        InputError: the file does not import, or has no such function.
    """
    path = inputs[f"file/{role}/{Path(kind.file).name}"]
    key = "source.stream" if role == "model" else role
    module_spec = importlib.util.spec_from_file_location(f"step_of_the_user_{role}", path)
    if module_spec is None or module_spec.loader is None:
        raise InputError(f"{key}.file is no Python file", where=path)
    module = importlib.util.module_from_spec(module_spec)
    try:
        module_spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file raises is about it
        raise InputError(f"{key}.file does not import", where=path, got=f"{type(error).__name__}: {error}") from error
    function = getattr(module, kind.function, None)
    if not callable(function):
        raise InputError(f"{key}.function: the file has no such function", where=path, got=kind.function)
    return function  # type: ignore[no-any-return]  # a user's function: its types are what parity proves
