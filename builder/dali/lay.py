"""A candidate's repository -> the same with DALI in the place of the Python step, for nodes with Triton's dali backend.

The interface changes: that backend takes no BYTES, so a request's `image` is TYPE_UINT8 with dims [-1], the bytes of one
picture. A batch of several in one request is padded with zeros at the end, which JPEG and PNG decoders ignore.
What was proven of the Python step is not proven of DALI: manifest and golden bundle stay behind.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import builder.steps
from builder.dali.compare import hold_to_transform, require_close
from builder.golden import read_golden
from tritonkit.repository.config import merge_config, new_config, read_config, write_config
from tritonkit.repository.layout import CANDIDATE_VERSION, CONFIG, GOLDEN
from tritonkit.spec.errors import ConflictError, InputError

if TYPE_CHECKING:
    from builder.dali.compare import Difference

Device = Literal["cpu", "gpu"]
_BYTES_OF_A_PICTURE = {"data_type": "TYPE_UINT8", "dims": [-1]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """The repository and what is known of it.

    Attributes:
        repository: its folder.
        part: name of the part on DALI.
        differences: how far DALI lies from the transform, by picture.
    """

    repository: Path
    part: str
    differences: tuple[Difference, ...]


def lay_dali(source: Path, model: str, out: Path, device: Device, threads: int) -> Laid:
    """Writes `out`, once DALI's answers are those of the evaluation's transform within `compare.TOLERANCE`.

    Args:
        source: the candidate's repository.
        model: the ensemble.
        out: where to; must not exist.
        device: where DALI runs: on the GPU, decoding included, or on the CPU.
        threads: DALI's, for what runs on the CPU.

    Raises:
        ConflictError: `out` exists.
        InputError: there is no such ensemble with the image step in front, or it blends transparency.
        GateError: DALI's pixels are others.
        UnavailableError: DALI is not installed or cannot run here.
    """
    if out.exists():
        raise ConflictError("the folder to write is there already", where=out)
    ensemble = read_config(source / model / CONFIG)
    steps = ensemble.ensemble_scheduling.step
    old = steps[0].model_name if steps else ""
    parameters = _parameters(source / old / "1" / "parameters.json")
    parameters |= {"device": device, "threads": threads, "batch": max(1, ensemble.max_batch_size)}
    shutil.copytree(source, out)
    try:
        part = _write_part(out, old, parameters)
        golden = read_golden(source / model / str(CANDIDATE_VERSION) / GOLDEN)
        differences = hold_to_transform(out / part / "1", parameters, golden)
        require_close(differences, parameters["interpolation"])
        steps[0].model_name = part
        _take_bytes(ensemble.input[0])
        (out / model / CONFIG).write_text(write_config(ensemble))
        shutil.rmtree(out / old)
        _leave_proof_behind(out / model)
    except BaseException:
        shutil.rmtree(out)
        raise
    return Laid(repository=out, part=part, differences=differences)


def _parameters(file: Path) -> dict[str, Any]:
    parameters: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if not {"resize", "crop", "interpolation"} <= set(parameters):
        raise InputError("the ensemble has no image step in front that DALI could replace", where=file)
    if parameters["alpha"] != "drop":
        raise InputError("DALI drops transparency", where=file, got=f"alpha: {parameters['alpha']}", expected="drop")
    return parameters


def _write_part(out: Path, old: str, parameters: dict[str, Any]) -> str:
    """Beside the step: the same outputs and queue, another backend."""
    name = f"{old}_dali"
    version = out / name / "1"
    version.mkdir(parents=True)
    shutil.copyfile(Path(builder.steps.__file__).parent / "image_dali.py", version / "dali.py")
    (version / "parameters.json").write_text(json.dumps(parameters, indent=2) + "\n")
    step = read_config(out / old / CONFIG)
    kind = "KIND_GPU" if parameters["device"] == "gpu" else "KIND_CPU"
    fields: dict[str, Any] = {
        "name": name,
        "backend": "dali",
        "max_batch_size": step.max_batch_size,
        # Pictures of one batch have as many bytes as each has.
        "input": [{"name": parameters["input"], **_BYTES_OF_A_PICTURE, "allow_ragged_batch": True}],
        "version_policy": {"specific": {"versions": [1]}},
        # More memory and no more speed: one pipeline keeps a device busy.
        "instance_group": [{"kind": kind, "count": 1}],
    }
    config = merge_config(new_config(), fields, where=name)
    config.output.extend(step.output)
    if step.HasField("dynamic_batching"):
        config.dynamic_batching.CopyFrom(step.dynamic_batching)
    (out / name / CONFIG).write_text(write_config(config))
    return name


def _take_bytes(tensor: Any) -> None:
    tensor.data_type = tensor.DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_name["TYPE_UINT8"].number
    del tensor.dims[:]
    tensor.dims.append(-1)


def _leave_proof_behind(ensemble: Path) -> None:
    for version in (folder for folder in ensemble.iterdir() if folder.is_dir()):
        shutil.rmtree(version)
        version.mkdir()
        # Object stores keep no empty folder, and Triton needs this one.
        (version / "unproven.txt").write_text("DALI was held to the transform in process; nothing was proven served.\n")
