"""What a server says of itself and of its models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorMetadata:
    """An input or output of a model.

    Attributes:
        name: its name.
        datatype: Triton's name of its type, such as "FP32".
        shape: with the batch dimension where the model batches; -1 is a free dimension.
        optional: whether an input may be left out.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetadata:
    """A model's signature.

    Attributes:
        name: the model's name.
        versions: the versions that are loaded.
        platform: Triton's name of what runs it, such as "ensemble" or "onnxruntime_onnx".
        inputs: what it takes.
        outputs: what it gives.
    """

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMetadata:
    """A server's name, version and protocol extensions."""

    name: str
    version: str
    extensions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """A model of a server's repository.

    Attributes:
        name: the model's name.
        version: its version; "" if none was ever loaded.
        state: "READY", "LOADING", "UNLOADING", "UNAVAILABLE" or "" (never loaded).
        reason: why it is in that state, such as the error of its load.
    """

    name: str
    version: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """What the client must know of a model to check a request.

    Attributes:
        metadata: the signature.
        inputs: the inputs by name.
        outputs: the outputs by name.
        max_batch_size: the largest batch; 0 if the model does not batch; None if the server keeps its
            configuration to itself, and then the server alone checks the batch.
    """

    metadata: ModelMetadata
    inputs: Mapping[str, TensorMetadata]
    outputs: Mapping[str, TensorMetadata]
    max_batch_size: int | None


def server_metadata(document: Mapping[str, Any]) -> ServerMetadata:
    """Reads the answer of `GET /v2`."""
    return ServerMetadata(
        name=document.get("name", ""),
        version=document.get("version", ""),
        extensions=tuple(document.get("extensions", ())),
    )


def model_metadata(document: Mapping[str, Any]) -> ModelMetadata:
    """Reads the answer of `GET /v2/models/MODEL`."""
    return ModelMetadata(
        name=document["name"],
        versions=tuple(document.get("versions", ())),
        platform=document.get("platform", ""),
        inputs=_tensors(document.get("inputs", ())),
        outputs=_tensors(document.get("outputs", ())),
    )


def _tensors(documents: Sequence[Mapping[str, Any]]) -> tuple[TensorMetadata, ...]:
    return tuple(
        TensorMetadata(name=tensor["name"], datatype=tensor["datatype"], shape=tuple(map(int, tensor["shape"])))
        for tensor in documents
    )


def index_entries(document: Mapping[str, Any]) -> tuple[IndexEntry, ...]:
    """Reads the answer of `POST /v2/repository/index`."""
    return tuple(
        IndexEntry(
            name=entry["name"],
            version=entry.get("version", ""),
            state=entry.get("state", ""),
            reason=entry.get("reason", ""),
        )
        for entry in document.get("models", ())
    )


def describe(metadata: ModelMetadata, config: Mapping[str, Any] | None) -> ModelDescription:
    """Joins a model's signature with what its configuration adds: the batch limit, and which inputs are optional."""
    optional = {tensor["name"] for tensor in (config or {}).get("input", ()) if tensor.get("optional")}
    return ModelDescription(
        metadata=metadata,
        inputs={
            tensor.name: TensorMetadata(
                name=tensor.name, datatype=tensor.datatype, shape=tensor.shape, optional=tensor.name in optional
            )
            for tensor in metadata.inputs
        },
        outputs={tensor.name: tensor for tensor in metadata.outputs},
        max_batch_size=None if config is None else int(config.get("max_batch_size", 0)),
    )
