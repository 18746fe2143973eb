"""What each NGC release of Triton takes: the limits that a repository is built and linted against.

Opset and IR version are the highest that the ONNX Runtime of that release accepts, measured by loading
one-node models into that version; never inferred from the ONNX Runtime of this machine, which is far ahead.
Server, ONNX Runtime and Python versions are from the release's own build script and compatibility matrix.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from tritonkit.spec.errors import InputError


@dataclass(frozen=True, slots=True)
class Release:
    """One NGC release.

    Attributes:
        name: `YY.MM`, as in the image tag.
        triton: the version that the server reports.
        onnxruntime: the ONNX Runtime inside its backend, as published on the Python index.
        opset: highest ai.onnx opset it loads.
        ir_version: highest ONNX IR version it loads.
        python: the Python of the image, `major.minor`.
    """

    name: str
    triton: str
    onnxruntime: str
    opset: int
    ir_version: int
    python: str

    @property
    def image(self) -> str:
        """The image that serves this release, without a digest."""
        return f"nvcr.io/nvidia/tritonserver:{self.name}-py3"

    @property
    def key(self) -> tuple[int, int]:
        """(year, month), which orders releases."""
        year, month = self.name.split(".")
        return int(year), int(month)


RELEASES: tuple[Release, ...] = (
    Release("24.04", "2.45.0", "1.17.3", 20, 9, "3.10"),
    Release("24.05", "2.46.0", "1.18.0", 21, 10, "3.10"),
    Release("24.06", "2.47.0", "1.18.0", 21, 10, "3.10"),
    Release("24.07", "2.48.0", "1.18.1", 21, 10, "3.10"),
    Release("24.08", "2.49.0", "1.18.1", 21, 10, "3.10"),
    Release("24.09", "2.50.0", "1.19.2", 21, 10, "3.10"),
    Release("24.10", "2.51.0", "1.19.2", 21, 10, "3.10"),
    Release("24.11", "2.52.0", "1.19.2", 21, 10, "3.10"),
    Release("24.12", "2.53.0", "1.20.1", 21, 10, "3.12"),
    Release("25.01", "2.54.0", "1.20.1", 21, 10, "3.12"),
    Release("25.02", "2.55.0", "1.20.1", 21, 10, "3.12"),
    Release("25.03", "2.56.0", "1.21.0", 22, 10, "3.12"),
    Release("25.04", "2.57.0", "1.21.0", 22, 10, "3.12"),
    Release("25.05", "2.58.0", "1.22.0", 22, 10, "3.12"),
    Release("25.06", "2.59.0", "1.22.0", 22, 10, "3.12"),
    Release("25.07", "2.59.1", "1.22.0", 22, 10, "3.12"),
    Release("25.08", "2.60.0", "1.23.0", 23, 11, "3.12"),
    Release("25.09", "2.61.0", "1.23.0", 23, 11, "3.12"),
    Release("25.10", "2.62.0", "1.23.1", 23, 11, "3.12"),
    Release("25.11", "2.63.0", "1.23.2", 23, 11, "3.12"),
    Release("25.12", "2.64.0", "1.23.2", 23, 11, "3.12"),
    Release("26.01", "2.65.0", "1.23.2", 23, 11, "3.12"),
    Release("26.02", "2.66.0", "1.24.1", 25, 13, "3.12"),
    Release("26.03", "2.67.0", "1.24.2", 25, 13, "3.12"),
    Release("26.04", "2.68.0", "1.24.4", 25, 13, "3.12"),
    Release("26.05", "2.69.0", "1.24.4", 25, 13, "3.12"),
    Release("26.06", "2.70.0", "1.24.4", 25, 13, "3.12"),
    Release("26.07", "2.71.0", "1.27.0", 26, 13, "3.12"),
    Release("26.08", "2.72.0", "1.28.0", 26, 13, "3.12"),
)

DEFAULT_RELEASE = "26.07"
# Older images carry vulnerabilities that are reachable over the network: the first release without a known one.
MINIMUM_NETWORK_RELEASE = "26.07"
# The server that the local wheel carries. It is what rejects a newer field or flag on a plain machine.
WHEEL_RELEASE = "24.10"

# The first release whose parser knows a field of ModelConfig, from the history of model_config.proto. Fields that
# are not here are older than the first release of the table.
CONFIG_FIELDS_SINCE: dict[str, str] = {
    "ModelInput.is_non_linear_format_io": "24.08",
    "ModelOutput.is_non_linear_format_io": "24.08",
    "ModelConfig.model_metrics": "24.11",
    "ModelEnsembling.max_inflight_requests": "25.11",
}

# The first release whose server knows a flag, from the history of its command_line_parser.cc.
FLAGS_SINCE: dict[str, str] = {
    "--grpc-max-response-pool-size": "25.03",
    "--grpc-infer-thread-count": "25.04",
    "--http-max-input-size": "25.06",
    "--allow-client-shm": "26.04",
}

_BY_NAME = {release.name: release for release in RELEASES}


def is_since(target: Release, first: str) -> bool:
    """Whether `target` is the release called `first` (`YY.MM`) or a later one."""
    year, month = first.split(".")
    return target.key >= (int(year), int(month))


def release(name: str) -> Release:
    """The limits of the release called `name` (`YY.MM`).

    Raises:
        InputError: the release is not in the table.
    """
    try:
        return _BY_NAME[name]
    except KeyError:
        nearest = difflib.get_close_matches(name, _BY_NAME, n=1)
        raise InputError(
            "this Triton release is not known",
            got=name,
            expected=f"one of {RELEASES[0].name} to {RELEASES[-1].name}",
            hint=f"did you mean {nearest[0]}?" if nearest else "give the release as YY.MM, as in the image tag",
        ) from None
