"""Auto-complete: what the C++ onnxruntime backend fills in of a configuration that lacks inputs or outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ort_config import BackendSettings, RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ort_signature import Signature, TensorInfo


def needs_completion(config: Mapping[str, Any]) -> bool:
    """Whether one side at least is missing; a batch input counts as an input."""
    has_inputs = bool(config.get("input")) or bool(config.get("batch_input"))
    return not (has_inputs and config.get("output"))


def complete(config: Mapping[str, Any], signature: Signature, backend: BackendSettings) -> dict[str, Any]:
    """The fields of `config` that change.

    Raises:
        RefusedError: it asks for batching, and the model cannot batch.
    """
    changed = _batching(config, signature, backend)
    max_batch_size = int(changed.get("max_batch_size", config.get("max_batch_size", 0)))
    if not config.get("input") and not config.get("batch_input"):
        changed["input"] = [_entry(info, max_batch_size) for info in signature.inputs.values()]
    if not config.get("output"):
        changed["output"] = [_entry(info, max_batch_size) for info in signature.outputs.values()]
    return changed


def _batching(config: Mapping[str, Any], signature: Signature, backend: BackendSettings) -> dict[str, Any]:
    tensors = (*signature.inputs.values(), *signature.outputs.values())
    asked = int(config.get("max_batch_size", 0))
    if not all(info.dims and info.dims[0] == -1 for info in tensors):
        if asked != 0:
            raise RefusedError(
                f"autofill failed for model '{config.get('name', '')}': model does not support batching while "
                "non-zero max_batch_size is specified"
            )
        return {}
    max_batch_size = asked or backend.default_max_batch_size
    changed: dict[str, Any] = {"max_batch_size": max_batch_size}
    if max_batch_size > 1 and "sequence_batching" not in config and "dynamic_batching" not in config:
        changed["dynamic_batching"] = {}
    return changed


def _entry(info: TensorInfo, max_batch_size: int) -> dict[str, Any]:
    dims = list(info.dims[1:] if max_batch_size > 0 else info.dims)
    entry: dict[str, Any] = {"name": info.name, "data_type": info.data_type, "dims": dims or [1]}
    # Triton has no tensor without dimensions; without batching an empty reshape would be refused.
    if not dims and max_batch_size > 0:
        entry["reshape"] = {"shape": []}
    return entry
