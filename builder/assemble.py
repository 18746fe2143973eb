"""A variant's file and a spec -> a staged repository, content-named parts under the served name, and golden bundle."""

from __future__ import annotations

import json
import shutil
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from builder.golden import make_golden, write_golden
from builder.pipeline import ROLES, WARMUP_FILE, ensemble_config, part_config, step_parameters
from builder.reference import read_reference
from builder.stages import AssembledPart, AssembleResult, SpecRequest
from builder.steps import STEPS
from tritonkit.repository.config import write_config
from tritonkit.repository.digests import read_tree, tree_digest
from tritonkit.repository.layout import CANDIDATE_VERSION
from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from builder.pipeline import Role
    from tritonkit.spec.model import ModelSpec, Variant

_DIGITS = 6


def assemble(request: SpecRequest, inputs: dict[str, Path], out: Path) -> AssembleResult:
    """Writes `repository/`, which Triton can mount, and `golden/`, which proves it, into `out`.

    Args:
        request: what to assemble.
        inputs: `model`, the folder with the variant's model.onnx; `captured`, the capture's outputs; `answers`, what
            the variant's file answers in process; `labels`.
        out: where to write.

    Raises:
        InputError: there are fewer labels than classes.
    """
    spec, variant = request.spec, request.variant
    labels = read_labels(inputs["labels"], spec)
    repository = out / "repository"
    repository.mkdir()
    parts = [_write_part(spec, variant, role, inputs, labels, repository) for role in ROLES]
    result = AssembleResult(parts=tuple(parts))
    ensemble = repository / spec.name
    version = ensemble / str(CANDIDATE_VERSION)
    version.mkdir(parents=True)
    (ensemble / "config.pbtxt").write_text(write_config(ensemble_config(spec, result.names(), CANDIDATE_VERSION)))
    # Object stores and version control keep no empty folder, and Triton needs this one.
    (version / "parts.json").write_text(result.model_dump_json(indent=2) + "\n")
    with np.load(inputs["answers"], allow_pickle=False) as stored:
        answers = {name: stored[name] for name in stored}
    reference = read_reference(inputs["captured"])
    write_golden(out / "golden", make_golden(spec, variant, result.names(), reference, answers, labels))
    return result


def read_labels(path: Path, spec: ModelSpec) -> list[str]:
    """The class names, in the order of the logits.

    Raises:
        InputError: there are fewer or more of them than logits, or one is empty.
    """
    labels = path.read_text(encoding="utf-8").splitlines()
    classes = spec.outputs[0].dims[0]
    if len(labels) != classes:
        raise InputError(
            "postprocess.labels: the number of class names is not that of the classes",
            where=path,
            got=f"{len(labels)} lines",
            expected=f"{classes}, one for each element of {spec.outputs[0].name}",
        )
    if "" in labels:
        raise InputError("postprocess.labels: a class has no name", where=f"{path}:{labels.index('') + 1}")
    return labels


def _write_part(
    spec: ModelSpec, variant: Variant, role: Role, inputs: dict[str, Path], labels: list[str], out: Path
) -> AssembledPart:
    """Writes a part under a temporary name, digests it, and gives it the name that its content deserves."""
    prefix = f"{spec.name}_{variant.name if role == 'model' else role}"
    staged = Path(tempfile.mkdtemp(prefix=f".{role}-", dir=out))
    staged.chmod(0o755)
    version = staged / "1"
    version.mkdir()
    if role == "model":
        shutil.copyfile(inputs["model"] / "model.onnx", version / "model.onnx")
    else:
        kind = spec.preprocess.kind if role == "preprocess" else spec.postprocess.kind
        shutil.copyfile(STEPS[kind].file, version / "model.py")
        (version / "parameters.json").write_text(json.dumps(step_parameters(spec, role), indent=2) + "\n")
    if role == "postprocess":
        (version / "labels.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
    if role == "preprocess" and spec.samples.pictures:
        _write_warmup(staged, next(iter(read_reference(inputs["captured"]).pictures.values())))
    # The digest is over the configuration without a name: the name follows from it.
    (staged / "config.pbtxt").write_text(write_config(part_config(spec, variant, role, "")))
    digest = tree_digest(read_tree(staged))
    name = f"{prefix}_{digest[:_DIGITS]}"
    (staged / "config.pbtxt").write_text(write_config(part_config(spec, variant, role, name)))
    staged.rename(out / name)
    return AssembledPart(role=role, name=name, digest=digest)


def _write_warmup(part: Path, picture: bytes) -> None:
    """Triton reads a BYTES element from a file as its length, four bytes little-endian, and its bytes."""
    (part / "warmup").mkdir()
    (part / "warmup" / WARMUP_FILE).write_bytes(struct.pack("<I", len(picture)) + picture)
