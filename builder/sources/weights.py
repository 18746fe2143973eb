"""A factory and a state dict -> the network that was evaluated, without ever unpickling a file."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import torch
from packaging.version import Version
from safetensors import SafetensorError
from safetensors.torch import load_file

from tritonkit.spec.errors import InputError, UnavailableError
from tritonkit.spec.references import find_function

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tritonkit.spec.model import Source

# CVE-2026-24747: below this even the weights_only unpickler can be made to corrupt memory.
SAFE_TORCH = "2.10"
_SHOWN = 5


def load_network(source: Source, weights: Path, folder: Path) -> torch.nn.Module:
    """The network that `source` describes, with its weights, in evaluation mode on the CPU.

    Args:
        source: the factory.
        weights: the file with the state dict.
        folder: where model.yaml lies; a module there comes before an installed one.

    Raises:
        InputError: the factory, the weights file or the fit between them is wrong.
        UnavailableError: the installed torch is too old to read weights safely.
    """
    network = make_network(source.factory or "", folder, "source.factory")
    fit_weights(network, read_state_dict(weights), weights)
    return network.eval()


def make_network(factory: str, folder: Path, key: str) -> torch.nn.Module:
    """What the function `factory` returns.

    Args:
        factory: `module:function`.
        folder: a module there comes before an installed one.
        key: what names the factory, for the error.

    Raises:
        InputError: there is no such function, it fails, or it returns no network.
    """
    make = find_function(factory, folder, key)
    try:
        network = make()
    except Exception as error:  # whatever the user's factory raises is about it
        raise InputError(
            f"{key} fails: it is called without arguments",
            where=f"{folder}: {factory}",
            got=f"{type(error).__name__}: {error}",
        ) from error
    if not isinstance(network, torch.nn.Module):
        raise InputError(
            f"{key} returned no network",
            where=f"{folder}: {factory}",
            got=type(network).__name__,
            expected="a torch.nn.Module",
        )
    return network


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """The tensors in a .safetensors, .pt or .pth file. Nothing in the file is executed.

    Raises:
        InputError: the file is truncated, is of another format, or is a pickle of more than tensors.
        UnavailableError: the installed torch is too old to read weights safely.
    """
    state = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(
            "the file holds no plain state dict",
            where=path,
            got=type(state).__name__,
            expected="tensors by name",
            hint="save `network.state_dict()` alone, best as safetensors",
        )
    return state


def require_safe_torch() -> None:
    """Refuses a torch whose weights_only unpickler can be made to corrupt memory.

    Raises:
        UnavailableError: the installed torch is too old.
    """
    if Version(torch.__version__) < Version(SAFE_TORCH):
        raise UnavailableError(
            "this torch cannot read weights safely",
            got=torch.__version__,
            expected=f"{SAFE_TORCH} or newer (CVE-2026-24747)",
            hint="upgrade torch, or save the weights as safetensors",
        )


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(
            "the weights are truncated or no safetensors file",
            where=path,
            got=error,
            hint="copy or save the file again",
        ) from None


def _read_torch(path: Path) -> Any:
    require_safe_torch()
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            "the weights hold more than tensors, and unpickling them could run any code: refused, nothing was executed",
            where=path,
            got=_reason(error),
            hint="save `network.state_dict()` alone, best as safetensors",
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise InputError(
            "the weights are truncated or no torch file", where=path, got=_reason(error), hint="copy or save it again"
        ) from None


def _reason(error: Exception) -> str:
    """The part of torch's message that says what was found; the rest is advice to load it unsafely."""
    text = str(error)
    marker = "WeightsUnpickler error: "
    start = text.find(marker)
    return (text[start + len(marker) :] if start >= 0 else text).partition("\n")[0]


def fit_weights(network: torch.nn.Module, state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Loads `state`, read from `path`, into `network`.

    Raises:
        InputError: a tensor is missing, belongs to no parameter or has another shape.
    """
    wanted = network.state_dict()
    misfits = {
        "missing": sorted(wanted.keys() - state.keys()),
        "not in the network": sorted(state.keys() - wanted.keys()),
        "of another shape": [
            f"{key} {list(state[key].shape)} for {list(wanted[key].shape)}"
            for key in sorted(wanted.keys() & state.keys())
            if state[key].shape != wanted[key].shape
        ],
    }
    told = [f"{len(keys)} {what}: {_first(keys)}" for what, keys in misfits.items() if keys]
    if told:
        raise InputError(
            "the weights do not fit the network that the factory builds",
            where=path,
            got="; ".join(told),
            hint="the factory must build the architecture that the weights were trained in",
        )
    network.load_state_dict(state)


def _first(keys: list[str]) -> str:
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return ", ".join(keys[:_SHOWN]) + more
