"""What an engine is: everything that it depends on, and what was written down when it was built."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Literal

from pydantic import Field

from builder.engines.profiles import Profile
from tritonkit.spec.errors import InputError
from tritonkit.spec.model import Document

Precision = Literal["fp32", "fp16", "bf16", "int8", "fp8", "int4", "fp4"]
Library = Literal["tensorrt", "tensorrt_rtx"]

ENGINE_FILES: dict[Library, str] = {"tensorrt": "model.plan", "tensorrt_rtx": "model.rtx"}
"""Triton's tensorrt backend cannot load an engine of TensorRT-RTX, so that one never bears a plan's name."""

_CAPABILITY = re.compile(r"[1-9]\d?\.\d")


class EngineSettings(Document):
    """The builder's settings; each is part of what makes two engines the same engine."""

    workspace_bytes: int | None = Field(
        None, ge=1, description="Scratch memory that a layer may use; none leaves it to TensorRT: all of the GPU's."
    )
    optimization_level: int = Field(
        3, ge=0, le=5, description="How long TensorRT looks for faster kernels; 3 is its own default."
    )
    tf32: bool = Field(
        False,
        description="Whether FP32 products may be rounded to 10 bits of mantissa, TensorRT's own default.",
    )


class EngineKey(Document):
    """All that an engine depends on. Two engines with one key are interchangeable."""

    onnx_sha256: str = Field(description="sha256 of the ONNX file and of the weights beside it.")
    compute_capability: str = Field(description="Of the GPU that it is for, such as 8.6.")
    library: Library = Field(description="TensorRT, or TensorRT-RTX, whose engines Triton does not load.")
    version: str = Field(description="Exact version of the library, such as 10.14.1.48.")
    precision: Precision = Field(description="Number format of the graph, which strong typing makes the engine's.")
    profile: Profile = Field(description="Smallest, optimal and largest shape of each input that is not fixed.")
    settings: EngineSettings = Field(description="The builder's settings.")

    def digest(self) -> str:
        """sha256 over the key, in hex."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


class EngineRecord(Document):
    """`engine.json`, beside an engine."""

    schema_version: Literal[1] = 1
    key: EngineKey = Field(description="What it depends on.")
    sha256: str = Field(description="sha256 of the engine's bytes.")
    bytes: int = Field(description="Its size.")
    built_by: str = Field(description="What built it: the Python module or trtexec, with its version.")
    gpu: str | None = Field(None, description="The GPU that it was built on; none for a build ahead of time.")
    seconds: float = Field(description="How long the build took.")
    built_at: str = Field(description="When, in ISO 8601.")


def require_compute_capability(text: str) -> str:
    """`text`, if it is a compute capability.

    Raises:
        InputError: it is not.
    """
    if not _CAPABILITY.fullmatch(text):
        raise InputError("this is no compute capability", got=text, expected="MAJOR.MINOR, such as 8.6 or 12.0")
    return text


def sm_name(compute_capability: str) -> str:
    """`sm86` of 8.6."""
    return f"sm{compute_capability.replace('.', '')}"


def key_difference(wanted: EngineKey, found: EngineKey) -> tuple[str, ...]:
    """What differs between two keys, a sentence's end for each: `TensorRT 10.13.3.9 instead of 10.14.1.48`."""
    differences = []
    if wanted.onnx_sha256 != found.onnx_sha256:
        differences.append(f"ONNX file {found.onnx_sha256[:12]} instead of {wanted.onnx_sha256[:12]}")
    if wanted.compute_capability != found.compute_capability:
        differences.append(f"compute capability {found.compute_capability} instead of {wanted.compute_capability}")
    if (wanted.library, wanted.version) != (found.library, found.version):
        differences.append(f"{library_title(found)} instead of {library_title(wanted)}")
    if wanted.precision != found.precision:
        differences.append(f"precision {found.precision} instead of {wanted.precision}")
    differences += [
        f"shapes of {name} {_shapes(found, name)} instead of {_shapes(wanted, name)}"
        for name in sorted(wanted.profile.keys() | found.profile.keys())
        if wanted.profile.get(name) != found.profile.get(name)
    ]
    for name in EngineSettings.model_fields:
        (want, have) = (getattr(wanted.settings, name), getattr(found.settings, name))
        if want != have:
            differences.append(f"{name} {have} instead of {want}")
    return tuple(differences)


def library_title(key: EngineKey) -> str:
    """`TensorRT 10.14.1.48`."""
    return f"{LIBRARY_TITLES[key.library]} {key.version}"


LIBRARY_TITLES: dict[Library, str] = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT-RTX"}


def _shapes(key: EngineKey, name: str) -> str:
    shapes = key.profile.get(name)
    return "fixed" if shapes is None else " / ".join("x".join(map(str, shape)) for shape in shapes)
