"""A candidate as the builder lays it out, written by hand: its parts do not load, and need not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tritonkit.repository.config import new_config, write_config
from tritonkit.repository.digests import file_digest, read_tree, tree_digest
from tritonkit.spec.manifest import Manifest, Part

if TYPE_CHECKING:
    from pathlib import Path

ROLES = {"preprocess": "python", "fp32": "onnxruntime", "postprocess": "python"}


def write_candidate(repository: Path, *, weights: bytes = b"w" * (3 << 20)) -> Path:
    """Writes a candidate of the served name `toy` and returns its folder."""
    parts = []
    for role, backend in ROLES.items():
        folder = repository / f"toy_{role}_1a2b3c"
        (folder / "1").mkdir(parents=True)
        config = new_config(name=folder.name, backend=backend)
        config.instance_group.add(count=2 if role == "fp32" else 1)
        (folder / "config.pbtxt").write_text(write_config(config))
        file = folder / "1" / ("model.onnx" if role == "fp32" else "model.py")
        file.write_bytes(weights if role == "fp32" else b"pass\n")
        kind = "model" if role == "fp32" else role
        packages = {} if role == "fp32" else {"numpy": "1.26.4"}
        digest = tree_digest(read_tree(folder))
        parts.append(Part(name=folder.name, role=kind, backend=backend, digest=digest, python_packages=packages))
    version = repository / "toy" / "1"
    version.mkdir(parents=True)
    ensemble = new_config(name="toy", platform="ensemble")
    ensemble.version_policy.specific.versions.append(1)
    (repository / "toy" / "config.pbtxt").write_text(write_config(ensemble))
    (version / "parts.json").write_text("{}\n")
    (version / "golden").mkdir()
    (version / "golden" / "golden.json").write_text("{}\n")
    (version / "parity.json").write_text(weights[:16].hex() + "\n")
    manifest = Manifest(
        name="toy",
        variant="fp32",
        target="26.07",
        parts=tuple(parts),
        tree=read_tree(repository),
        weights_sha256="0" * 64,
        spec_sha256="0" * 64,
        parity_sha256=file_digest(version / "parity.json"),
        tools={},
        built_at="2026-11-24T00:00:00+00:00",
    )
    (version / "manifest.json").write_text(manifest.model_dump_json(indent=1) + "\n")
    return repository
