"""A variant's files and a spec -> a staged repository, content-named parts under the served name, and golden bundle."""

from __future__ import annotations

import shutil
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from builder.answers.in_process import read_answers
from builder.golden import make_golden, part_rows, write_golden
from builder.kinds import LABELS, write_step
from builder.pipeline import WARMUP, ensemble_config, part_text, roles, served_alone, step_of
from builder.placement import placed_reference, placed_spec
from builder.reference import read_reference
from builder.stages import AssembledPart, AssembleResult, SpecRequest
from builder.variants import network_packages
from tritonkit.repository.config import write_config
from tritonkit.repository.digests import read_tree, tree_digest
from tritonkit.repository.layout import CANDIDATE_VERSION
from tritonkit.spec.errors import InputError
from tritonkit.spec.model import ClassificationPostprocess

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.pipeline import Role
    from builder.reference import Reference
    from tritonkit.spec.model import ModelSpec, Variant

_DIGITS = 6


def assemble(request: SpecRequest, inputs: dict[str, Path], out: Path) -> AssembleResult:
    """Writes `repository/`, which Triton can mount, and `golden/`, which proves it, into `out`.

    Args:
        request: what to assemble.
        inputs: `model`, the folder with the variant's files; `captured`, the capture's outputs; `answers`, what
            the variant answers in process; the steps' files as `file/ROLE/NAME`; `folder`, where model.yaml lies.
        out: where to write.

    Raises:
        InputError: there are fewer labels than classes.
    """
    spec, variant = placed_spec(request.spec, request.variant), request.variant
    if isinstance(spec.postprocess, ClassificationPostprocess):
        read_labels(inputs[f"file/postprocess/{LABELS}"], spec)
    reference = placed_reference(read_reference(inputs["captured"]), request.spec, variant)
    repository = out / "repository"
    repository.mkdir()
    parts = [_write_part(spec, variant, role, inputs, reference, repository) for role in roles(spec)]
    result = AssembleResult(parts=tuple(parts))
    served = repository / spec.name
    version = served / str(CANDIDATE_VERSION)
    if not served_alone(spec):
        version.mkdir(parents=True)
        (served / "config.pbtxt").write_text(write_config(ensemble_config(spec, result.names(), CANDIDATE_VERSION)))
    # Object stores and version control keep no empty folder, and Triton needs this one.
    (version / "parts.json").write_text(result.model_dump_json(indent=2) + "\n")
    answers = read_answers(inputs["answers"], part_rows(spec, reference))
    write_golden(out / "golden", make_golden(spec, variant, result.names(), reference, answers, inputs))
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
    spec: ModelSpec, variant: Variant, role: Role, inputs: dict[str, Path], reference: Reference, out: Path
) -> AssembledPart:
    """Writes a part under a temporary name, digests it, and gives it the name that its content deserves; one that is
    served alone gets the served name.
    """
    prefix = f"{spec.name}_{variant.name if role == 'model' else role}"
    staged = Path(tempfile.mkdtemp(prefix=f".{role}-", dir=out))
    staged.chmod(0o755)
    version = staged / "1"
    step = step_of(spec, role)
    if role == "model":
        # As it was converted and held against the reference, a stream's step too.
        shutil.copytree(inputs["model"], version)
    elif step is not None:
        version.mkdir()
        write_step(step, role, inputs, version)
    if role == "preprocess" and "model_warmup" in part_text(spec, variant, role, ""):
        _write_warmup(staged, reference.requests[0].requests)
    # The digest is over the configuration without a name: the name follows from it.
    (staged / "config.pbtxt").write_text(part_text(spec, variant, role, ""))
    digest = tree_digest(read_tree(staged))
    name = spec.name if served_alone(spec) else f"{prefix}_{digest[:_DIGITS]}"
    (staged / "config.pbtxt").write_text(part_text(spec, variant, role, name))
    staged.rename(out / name)
    return AssembledPart(
        role=role,
        name=name,
        backend=variant.backend if role == "model" else "python",
        digest=digest,
        packages=dict(network_packages(variant) if step is None else step.packages),
    )


def _write_warmup(part: Path, requests: Mapping[str, np.ndarray]) -> None:
    """Triton reads a tensor from a file as it lies in memory, a BYTES element as its length, four bytes little-endian,
    and its bytes.
    """
    (part / WARMUP).mkdir()
    for name, rows in requests.items():
        row = rows[0]
        if row.dtype.hasobject:
            data = b"".join(struct.pack("<I", len(element)) + element for element in row.ravel())
        else:
            data = np.ascontiguousarray(row).tobytes()
        (part / WARMUP / name).write_bytes(data)
