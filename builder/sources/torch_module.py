"""Networks of torch: a factory with its weights, an ExportedProgram, TorchScript."""

from __future__ import annotations

import inspect
import io
import logging
import warnings
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from builder.export import export_onnx, export_script
from builder.sources.network import Network
from builder.sources.weights import load_network, require_safe_torch
from tritonkit.spec.errors import InputError
from tritonkit.spec.references import find_function

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from builder.stages import CaptureRequest
    from tritonkit.spec.model import TensorSpec

_log = logging.getLogger(__name__)
_PICKLES = (".pt", ".pkl", ".pickle")


def open_factory(request: CaptureRequest, weights: Path, folder: Path) -> Network:
    """The factory's network with its weights, in evaluation mode on the CPU.

    Raises:
        InputError: the factory, the weights or the fit between them or to the spec is wrong.
        UnavailableError: the installed torch is too old to read weights safely.
    """
    torch.manual_seed(0)
    module = load_network(request.source, weights, folder)
    network = _network(module, request, lambda: export_onnx(module, request))
    if request.source.sequence is None:
        return network
    whole = find_function(request.source.sequence, folder, "source.sequence")
    return replace(network, whole=lambda sequences: _whole(whole, module, sequences))


def _whole(
    function: Callable[..., Any], module: torch.nn.Module, sequences: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    try:
        with torch.inference_mode():
            answers = function(module, {name: torch.from_numpy(array) for name, array in sequences.items()})
        return {name: tensor.numpy() for name, tensor in answers.items()}
    except Exception as error:  # whatever the user's function raises is about it
        raise InputError(
            "source.sequence: the function fails on the sequences of samples.requests",
            where=failing_module(module, error),
            got=f"{type(error).__name__}: {_first_line(error)}",
            expected="(network, tensors by input) -> tensors by output, each (sequences, steps, ...)",
        ) from error


def open_program(request: CaptureRequest, file: Path) -> Network:
    """The ExportedProgram in `file`. A pickle in it that holds more than tensors is refused before anything is read.

    Raises:
        InputError: it is truncated, no such program, or could run code.
        UnavailableError: the installed torch is too old to read weights safely.
    """
    require_safe_torch()
    _refuse_pickled_code(file)
    try:
        program = torch.export.load(file)
    except Exception as error:  # noqa: BLE001 - the loader has no one exception for a file that is none
        raise InputError(
            "source.file: the file is truncated or no ExportedProgram", where=file, got=_first_line(error)
        ) from None
    module = program.module()
    return _network(module, request, lambda: export_onnx(module, request), name=file.name)


def _refuse_pickled_code(file: Path) -> None:
    """torch.export.load falls back to a full unpickling of sample inputs and some weights; only tensors may be there."""
    try:
        with zipfile.ZipFile(file) as archive:
            pickled = [name for name in archive.namelist() if name.endswith(_PICKLES)]
            for name in pickled:
                torch.load(io.BytesIO(archive.read(name)), weights_only=True)
            _check_flagged_weights(archive)
    except zipfile.BadZipFile as error:
        raise InputError("source.file: the file is truncated or no ExportedProgram", where=file, got=error) from None
    except Exception as error:  # noqa: BLE001 - whatever the unpickler refuses, in whatever way
        raise InputError(
            "source.file: the program holds pickles of more than tensors, and unpickling them could run any code: "
            "refused, nothing was executed",
            where=file,
            got=_first_line(error),
            hint="export and save it again with torch.export.save, with plain tensors as sample inputs",
        ) from None


def _check_flagged_weights(archive: zipfile.ZipFile) -> None:
    """Weights that their table calls pickled have names without an ending."""
    for name in archive.namelist():
        if name.endswith(("_weights_config.json", "_constants_config.json")) and b'"use_pickle": true' in archive.read(
            name
        ):
            raise ValueError(f"{name} names pickled tensors")


def open_script(request: CaptureRequest, file: Path) -> Network:
    """The TorchScript program in `file`; its archive is read by torch's own reader, which executes no Python.

    Raises:
        InputError: it is truncated or no such program.
    """
    require_safe_torch()
    try:
        with warnings.catch_warnings():
            # Deprecated by torch, and yet what many have.
            warnings.simplefilter("ignore")
            module = torch.jit.load(str(file), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(
            "source.file: the file is truncated or no TorchScript",
            where=file,
            got=_first_line(error),
            hint="a state dict belongs in source.weights, with the source.factory of its network",
        ) from None
    return _network(module, request, lambda: export_script(module, request), name=file.name)


def _network(
    module: torch.nn.Module, request: CaptureRequest, export: Callable[[], Any], name: str | None = None
) -> Network:
    names = [spec.name for spec in request.inputs]
    if not isinstance(module, torch.jit.ScriptModule):
        _check_input_names(module, names)

    def ask(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return _answer(module, {name: inputs[name] for name in names}, request.outputs)

    return Network(
        where=name or type(module).__name__,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        ask=ask,
        export=export,
    )


def _check_input_names(network: torch.nn.Module, names: Sequence[str]) -> None:
    """Several inputs are passed by name, so they must be `forward`'s own; one is passed by position."""
    known = list(inspect.signature(network.forward).parameters)
    strange = [name for name in names if name not in known]
    if len(names) > 1 and strange:
        raise InputError(
            "inputs: the network takes no such input",
            where=f"{type(network).__name__}.forward",
            got=", ".join(strange),
            expected=", ".join(known),
        )


def _answer(
    network: torch.nn.Module, batch: Mapping[str, np.ndarray], outputs: Sequence[TensorSpec]
) -> dict[str, np.ndarray]:
    tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
    try:
        with torch.inference_mode():
            raw = network(*tensors.values()) if _by_position(network, tensors) else network(**tensors)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        shapes = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in tensors.items())
        raise InputError(
            "inputs: the network cannot run on the shapes of the spec",
            where=failing_module(network, error),
            got=f"{shapes}: {str(error).partition(chr(10))[0]}",
            hint="dims are those of the network's forward, without the batch dimension",
        ) from error
    return {name: tensor.numpy() for name, tensor in _by_name(raw, outputs, network).items()}


def _by_position(network: torch.nn.Module, tensors: Mapping[str, object]) -> bool:
    """One input needs no name; a traced program has forgotten them."""
    return len(tensors) == 1 or isinstance(network, torch.jit.ScriptModule)


def failing_module(network: torch.nn.Module, error: BaseException) -> str:
    """The innermost module whose `forward` was running when `error` was raised."""
    paths = {id(module): name for name, module in network.named_modules()}
    where = type(network).__name__
    trace = error.__traceback__
    while trace is not None:
        module = trace.tb_frame.f_locals.get("self")
        if id(module) in paths and paths[id(module)]:
            where = f"{type(network).__name__}.{paths[id(module)]}"
        trace = trace.tb_next
    return where


def _by_name(raw: Any, outputs: Sequence[TensorSpec], network: torch.nn.Module) -> dict[str, torch.Tensor]:
    names = [spec.name for spec in outputs]
    where = f"{type(network).__name__}.forward"
    if isinstance(raw, dict):
        if missing := [name for name in names if name not in raw]:
            raise InputError(
                "outputs: the network gives no such output",
                where=where,
                got=", ".join(missing),
                expected=", ".join(map(str, raw)),
            )
        return {name: raw[name] for name in names}
    tensors = [raw] if isinstance(raw, torch.Tensor) else list(raw)
    if len(tensors) != len(names):
        raise InputError(
            "outputs: the network gives another number of outputs",
            where=where,
            got=f"{len(names)} in the spec: {', '.join(names)}",
            expected=f"{len(tensors)}, of shapes {', '.join(str(list(t.shape)) for t in tensors)}",
        )
    return dict(zip(names, tensors, strict=True))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
