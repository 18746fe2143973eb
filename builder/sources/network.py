"""The way in that a spec names -> one network, whatever it came as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    import onnx

    from builder.stages import CaptureRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network with its trained numbers.

    Attributes:
        where: its name, for errors.
        parameters: how many numbers it holds.
        ask: inputs by name -> outputs by name; with a batch dimension unless the spec has none.
        export: the same network as ONNX; raises InputError where it does not export.
        whole: whole sequences, shape (sequences, steps, ...) by input -> likewise by output, by `source.sequence`.
    """

    where: str
    parameters: int
    ask: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]
    export: Callable[[], onnx.ModelProto]
    whole: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]] | None = None


def open_network(request: CaptureRequest, file: Path, folder: Path) -> Network:
    """The network that `request.source` names.

    Args:
        request: what to capture.
        file: the weights, or the file with the whole network.
        folder: where model.yaml lies.

    Raises:
        InputError: the file, the factory or the fit between them is wrong.
        UnavailableError: the installed torch is too old to read weights safely.
    """
    if request.source.file is None:
        from builder.sources.torch_module import open_factory  # noqa: PLC0415 - torch only where it is needed

        return open_factory(request, file, folder)
    if file.suffix == ".onnx":
        from builder.sources.onnx_file import open_onnx  # noqa: PLC0415 - ONNX Runtime only where it is needed

        return open_onnx(request, file)
    if file.suffix in (".pt2", ".pt", ".pth", ".torchscript"):
        from builder.sources.torch_module import open_program, open_script  # noqa: PLC0415 - as above

        return open_program(request, file) if file.suffix == ".pt2" else open_script(request, file)
    raise InputError(
        "source.file: this is no network that the kit reads", where=file, expected=".onnx, .pt2, .pt or .torchscript"
    )
