"""The truth that served preprocessing is held against: the evaluation's own transform, or the kit's reference of a kind."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from builder.kinds import REQUEST_IMAGE, REQUEST_TEXT, TOKENIZER, own_function
from tritonkit.evaluation.kinds.tabular import reference_vector
from tritonkit.evaluation.kinds.text import reference_tokens
from tritonkit.spec.dtypes import BY_TRITON
from tritonkit.spec.errors import InputError
from tritonkit.spec.model import ImagePreprocess, PythonPreprocess, TabularPreprocess, TextPreprocess
from tritonkit.spec.references import find_function

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from builder.stages import CaptureRequest, SkewRequest
    from tritonkit.spec.model import TensorSpec

_log = logging.getLogger(__name__)
Sample = dict[str, np.ndarray]

TRANSFORM_ERRORS = (RuntimeError, ValueError, TypeError, OSError, KeyError)
"""What a transform raises that does not take a sample."""


def transform_requests(
    asked: Mapping[str, Mapping[str, np.ndarray]], request: CaptureRequest, inputs: Mapping[str, Path]
) -> dict[str, Sample]:
    """The network's inputs, without batch dimension, for each request that the transform takes.

    Args:
        asked: by sample, what a client sends.
        request: what to capture.
        inputs: the stage's.

    Raises:
        InputError: the transform fails, or makes another shape than the network takes.
    """
    transform = find_transform(request, inputs)
    transformed: dict[str, Sample] = {}
    for name, sample in asked.items():
        try:
            made = transform(sample)
        except TRANSFORM_ERRORS as error:
            if not name.startswith("edge_"):
                raise InputError("the transform fails on a sample", where=name, got=error) from error
            # A transform without `convert("RGB")` has no answer for such a picture, so there is nothing to equal.
            _log.warning("source.transform takes no %s: %s", name, error)
            continue
        transformed[name] = as_inputs(made, request.inputs, name)
    return transformed


def find_transform(
    request: CaptureRequest | SkewRequest, inputs: Mapping[str, Path]
) -> Callable[[Mapping[str, np.ndarray]], Any]:
    """A sample, as a client sends it, -> the network's input."""
    if request.source.transform is None:
        return _reference(request, inputs)
    own = find_function(request.source.transform, inputs["folder"], "source.transform")
    if isinstance(request.preprocess, ImagePreprocess):
        return lambda sample: own(_opened(sample))
    return own


def _reference(
    request: CaptureRequest | SkewRequest, inputs: Mapping[str, Path]
) -> Callable[[Mapping[str, np.ndarray]], Any]:
    """The kit's own reference of the kind; a user's step without a transform is held against itself, run here."""
    kind = request.preprocess
    if isinstance(kind, ImagePreprocess):
        from tritonkit.evaluation.kinds.image import reference_transform  # noqa: PLC0415 - torchvision, for pictures

        return lambda sample: reference_transform(_opened(sample), kind)
    if isinstance(kind, TextPreprocess):
        tokenizer = inputs[f"file/preprocess/{TOKENIZER}"]
        return lambda sample: reference_tokens(sample[REQUEST_TEXT][0].decode(), kind, tokenizer)
    if isinstance(kind, TabularPreprocess):
        return lambda sample: reference_vector({name: array[0] for name, array in sample.items()}, kind)
    if isinstance(kind, PythonPreprocess):
        return _alone(own_function(kind, "preprocess", inputs), request.batched)
    return dict


def _alone(function: Callable[..., Any], batched: bool) -> Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]:
    """A function over requests, called with one sample."""

    def call(sample: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        made = function([{name: array[None] if batched else array for name, array in sample.items()}])[0]
        return {name: np.asarray(array)[0] if batched else np.asarray(array) for name, array in made.items()}

    return call


def _opened(sample: Mapping[str, np.ndarray]) -> Image.Image:
    return Image.open(io.BytesIO(sample[REQUEST_IMAGE][0]))


def as_inputs(made: Any, specs: tuple[TensorSpec, ...], name: str) -> Sample:
    """What a transform returned for the sample `name`, as arrays by input name; a single input may come without its name.

    Raises:
        InputError: an input is missing, or has another shape than the spec says.
    """
    by_name = made if isinstance(made, dict) else {specs[0].name: made}
    found: Sample = {}
    for spec in specs:
        if spec.name not in by_name:
            raise InputError(
                "the transform makes no such input", where=name, got=", ".join(map(str, by_name)), expected=spec.name
            )
        array = np.asarray(by_name[spec.name]).astype(np.dtype(BY_TRITON[spec.data_type].numpy), copy=False)
        fits = array.ndim == len(spec.dims) and all(d in (-1, s) for d, s in zip(spec.dims, array.shape, strict=True))
        if not fits:
            raise InputError(
                "source.transform gives another shape than the spec's input",
                where=name,
                got=list(array.shape),
                expected=list(spec.dims),
            )
        found[spec.name] = array
    return found
