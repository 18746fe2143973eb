"""The GPUs of this node, as the driver's own nvidia-smi tells them."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

from tritonkit.spec.errors import UnavailableError

_FIELDS = "uuid,name,compute_cap,driver_version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU.

    Attributes:
        uuid: what CUDA_VISIBLE_DEVICES takes.
        name: product name.
        compute_capability: such as 8.6.
        driver: version of the driver.
    """

    uuid: str
    name: str
    compute_capability: str
    driver: str


def find_gpus() -> list[Gpu]:
    """The GPUs that this process may see, in the driver's order.

    Raises:
        UnavailableError: there is none, or no driver; says which.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        raise UnavailableError(
            "there is no GPU on this machine",
            got="no nvidia-smi, which comes with the driver",
            hint="in a container: start it with --gpus=all, or with a limit nvidia.com/gpu",
        )
    query = [program, f"--query-gpu={_FIELDS}", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError("nvidia-smi does not answer", got=error) from None
    gpus = parse_gpus(done.stdout) if done.returncode == 0 else []
    if not gpus:
        raise UnavailableError("there is no GPU on this machine", got=(done.stdout + done.stderr).strip()[:200])
    return gpus


def parse_gpus(text: str) -> list[Gpu]:
    """The GPUs in the comma-separated answer to `_FIELDS`; a name holds no comma."""
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines()]
    return [
        Gpu(uuid=uuid, name=name, compute_capability=capability, driver=driver)
        for uuid, name, capability, driver in (row for row in rows if len(row) == 4)
    ]


def one_of_each(gpus: list[Gpu]) -> list[Gpu]:
    """The first GPU of each compute capability: an engine fits all of them."""
    first: dict[str, Gpu] = {}
    for gpu in gpus:
        first.setdefault(gpu.compute_capability, gpu)
    return list(first.values())
