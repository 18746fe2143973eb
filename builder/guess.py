"""A network and one example of its input -> what model.yaml says of its tensors."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import ValidationError

from builder.sources.torch_module import failing_module
from tritonkit.spec.dtypes import BY_TORCH
from tritonkit.spec.errors import InputError
from tritonkit.spec.tensors import TensorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What one example tells of a network.

    Attributes:
        inputs: as model.yaml has them; whole numbers with the range that the example spans.
        outputs: as model.yaml has them.
        batched: whether the first dimension counts samples that the network answers one by one.
        requests: the example, by input; its first axis counts requests.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batched: bool
    requests: Mapping[str, np.ndarray]


def guess_tensors(network: torch.nn.Module, example: object) -> Guess:
    """Runs `network` on `example` and describes what goes in and what comes out.

    Args:
        network: in evaluation mode.
        example: one batch of input: a tensor or array; several in a tuple or list, in the order of `forward`'s
            arguments; or a mapping by their names.

    Raises:
        InputError: the example is none, the network fails on it, or a tensor is of a kind that is not served.
    """
    given = _named(network, example)
    answer = _answer(network, given)
    if twice := given.keys() & answer.keys():
        raise InputError(
            "an output has the name of an input",
            where=f"{type(network).__name__}.forward",
            got=", ".join(sorted(twice)),
            hint="return a mapping with other names",
        )
    batched = _counts_samples(network, given, answer)
    return Guess(
        inputs=tuple(_describe(name, tensor, batched=batched, asked=True) for name, tensor in given.items()),
        outputs=tuple(_describe(name, tensor, batched=batched, asked=False) for name, tensor in answer.items()),
        batched=batched,
        requests={name: (tensor if batched else tensor[None]).numpy() for name, tensor in given.items()},
    )


def _named(network: torch.nn.Module, example: object) -> Tensors:
    arguments = list(inspect.signature(network.forward).parameters)
    if isinstance(example, dict):
        named = {str(name): value for name, value in example.items()}
        strange = [name for name in named if name not in arguments]
    else:
        values = list(example) if isinstance(example, tuple | list) else [example]
        named = dict(zip(arguments, values, strict=False))
        strange = [f"{len(values)} tensors"] if len(values) > len(arguments) else []
    if strange or not named:
        raise InputError(
            "the example does not fit the network's forward",
            where=f"{type(network).__name__}.forward",
            got=", ".join(strange) or "nothing",
            expected=", ".join(arguments),
        )
    return {name: _as_tensor(name, value) for name, value in named.items()}


def _as_tensor(name: str, value: object) -> torch.Tensor:
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        value = torch.from_numpy(value)
    if not isinstance(value, torch.Tensor):
        raise InputError(
            "the example holds something else than tensors",
            where=name,
            got=type(value).__name__,
            expected="a torch.Tensor or a numpy array of numbers",
        )
    return value.detach().cpu().contiguous()


def _answer(network: torch.nn.Module, given: Mapping[str, torch.Tensor]) -> Tensors:
    try:
        with torch.inference_mode():
            raw = network(**given) if len(given) > 1 else network(*given.values())
    except Exception as error:  # whatever the user's forward raises is about it
        raise InputError(
            "the network fails on the example",
            where=failing_module(network, error),
            got=f"{_shapes(given)}: {type(error).__name__}: {str(error).partition(chr(10))[0]}",
            hint="the example is one batch of what forward takes, the batch dimension first",
        ) from error
    return _outputs(raw, network)


def _outputs(raw: Any, network: torch.nn.Module) -> Tensors:
    """The answer by name; the names that the spec gives it where it has none."""
    if isinstance(raw, dict):
        named = {str(name): value for name, value in raw.items()}
    elif isinstance(raw, tuple | list):
        named = {f"output_{index}": value for index, value in enumerate(raw)}
    else:
        named = {"output": raw}
    strange = [
        f"{name}: {type(value).__name__}" for name, value in named.items() if not isinstance(value, torch.Tensor)
    ]
    if strange or not named:
        raise InputError(
            "the network answers something else than tensors",
            where=f"{type(network).__name__}.forward",
            got=", ".join(strange) or "nothing",
            expected="a tensor, a sequence of tensors or a mapping of names to tensors",
        )
    return named


def _counts_samples(network: torch.nn.Module, given: Tensors, answer: Tensors) -> bool:
    """Whether rows are answered as before when as many rows of zeros follow them: then the first dimension is a batch."""
    tensors = (*given.values(), *answer.values())
    if any(tensor.ndim == 0 or len(tensor) != len(tensors[0]) for tensor in tensors):
        return False
    try:
        longer = {name: torch.cat([tensor, torch.zeros_like(tensor)]) for name, tensor in given.items()}
        twice = _answer(network, longer)
    except InputError:
        return False
    return all(
        twice[name].shape == (2 * len(one), *one.shape[1:])
        and torch.allclose(twice[name][: len(one)], one, rtol=1e-3, atol=1e-4, equal_nan=True)
        for name, one in answer.items()
    )


def _describe(name: str, tensor: torch.Tensor, *, batched: bool, asked: bool) -> TensorSpec:
    known = BY_TORCH.get(str(tensor.dtype).removeprefix("torch."))
    if known is None or known.numpy is None:
        raise InputError(
            "a tensor has a data type that is not served",
            where=name,
            got=str(tensor.dtype).removeprefix("torch."),
            hint="convert it in forward, such as by .float()",
        )
    dims = tuple(tensor.shape[1:] if batched else tensor.shape)
    if not dims or 0 in dims:
        raise InputError(
            "a tensor has no dimension besides the batch, or an empty one",
            where=name,
            got=list(tensor.shape),
            hint="Triton wants one: unsqueeze(-1) in forward",
        )
    whole = asked and not (tensor.is_floating_point() or tensor.dtype == torch.bool)
    values = (int(tensor.min()), int(tensor.max())) if whole else None
    try:
        return TensorSpec(name=name, data_type=known.triton, dims=dims, values=values)
    except ValidationError:
        raise InputError(
            "a tensor has a name that no tensor may have", where=f"output {name!r}", expected="such as logits or box/1"
        ) from None


def _shapes(given: Mapping[str, torch.Tensor]) -> str:
    return ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in given.items())
