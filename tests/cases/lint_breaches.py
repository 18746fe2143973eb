"""One repository for each lint rule that breaks it, and the model in it that does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import core_models
import onnxruntime_models

from tritonkit.repository.config import EXTRA_TEXT_HEADING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LINEAR = onnxruntime_models.BARE


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """What breaks a rule.

    Attributes:
        files: bytes by path below the repository; a path that ends in `/` is an empty directory.
        release: of the server.
        gpus: whether its host has GPUs.
        auto_complete: whether it completes configurations.
    """

    files: Mapping[str, bytes]
    release: str = "26.07"
    gpus: bool = False
    auto_complete: bool = True


def write_breach(breach: Breach, repository: Path) -> None:
    """Writes the files of `breach` below `repository`."""
    for path, content in breach.files.items():
        target = repository / path
        if path.endswith("/"):
            target.mkdir(parents=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def onnx_breach(config: str, *, release: str = "26.07", gpus: bool = False, auto_complete: bool = True) -> Breach:
    """The small linear model under `config`."""
    files = {"m/config.pbtxt": config.encode(), "m/1/model.onnx": onnxruntime_models.linear()}
    return Breach(files=files, release=release, gpus=gpus, auto_complete=auto_complete)


def accelerator(side: str, entry: str) -> str:
    """The linear model's configuration with one execution accelerator."""
    return f"{LINEAR}optimization {{ execution_accelerators {{ {side}_execution_accelerator: [ {{ {entry} }} ] }} }}\n"


def _from_core(name: str) -> Breach:
    case = next(case for case in core_models.CASES if case.name == name)
    files = {path: text if isinstance(text, bytes) else text.encode() for path, text in case.files.items()}
    return Breach(files=files, release=core_models.RELEASE)


def _from_onnx(name: str) -> Breach:
    cases = (*onnxruntime_models.CASES, *onnxruntime_models.ENDING_CASES)
    case = next(case for case in cases if case.name == name)
    files = {f"{name}/{path}": onnxruntime_models.NETWORKS[network]() for path, network in case.files.items()}
    if case.config is not None:
        files[f"{name}/config.pbtxt"] = case.config.encode()
    return Breach(files=files, release=case.target, auto_complete=case.auto_complete)


_LABELS = LINEAR.replace('"y"', '"y" label_filename: "l"')

BREACHES: Mapping[str, Breach] = {
    **{case.rule: _from_core(case.name) for case in reversed(core_models.CASES) if case.rule},
    **{
        rule: _from_onnx(name)
        for rule, name in {
            "onnx-readable": "file_truncated",
            "onnx-graph": "type_complex",
            "onnx-tensor-kind": "type_sequence",
            "onnx-opset": "opset_too_new",
            "onnx-ir-version": "ir_too_new",
            "external-data": "file_external_data_missing",
            "op-library": "op_library_missing",
            "onnx-batching": "complete_not_batchable_but_asked",
            "onnx-input-count": "inputs_too_few",
            "onnx-tensor-names": "inputs_name",
            "onnx-data-types": "dtype_input",
            "onnx-dims": "dims_rank",
            "onnx-optional": "optional_batching",
            "onnx-ragged": "ragged_not_flat",
            "onnx-sequence-controls": "sequence_control_unknown",
            "parameter-integer": "parameter_overflow",
            "parameter-choice": "parameter_execution_mode_two",
            "parameter-truth-value": "parameter_enable_mem_arena_yes",
            "parameter-unknown": "parameter_no_such_parameter_ignored",
            "parameter-without-effect": "parameter_inter_op_thread_count_one",
            "cpu-accelerator-openvino": "accelerator_cpu_openvino",
            "model-file": "file_missing",
            "warmup-batch": "warmup_batch_over",
            "onnx-batch-inputs": "batch_input_of_other_type",
        }.items()
    },
    "config-missing": Breach(files={"m/1/model.onnx": onnxruntime_models.linear()}, auto_complete=False),
    "version-overflow": Breach(
        files={
            "m/config.pbtxt": LINEAR.encode(),
            "m/1/model.onnx": onnxruntime_models.linear(),
            "m/99999999999999999999/": b"",
        }
    ),
    "version-name": Breach(
        files={"m/config.pbtxt": LINEAR.encode(), "m/2.tmp/model.onnx": onnxruntime_models.linear()}
    ),
    "version-ignored": Breach(
        files={"m/config.pbtxt": LINEAR.encode(), "m/1/model.onnx": onnxruntime_models.linear(), "m/02/": b""}
    ),
    "config-extra-text": onnx_breach(f"{LINEAR}\n{EXTRA_TEXT_HEADING}\nresponse_cache {{ }}\n"),
    "label-file-twice": Breach(
        files={
            "m/config.pbtxt": (_LABELS + _LABELS[_LABELS.index("output") :]).encode(),
            "m/1/model.onnx": onnxruntime_models.linear(),
            "m/l": b"one\n",
        }
    ),
    "model-metrics": onnx_breach(LINEAR + "model_metrics { metric_control [ { } ] }\n"),
    "external-data-link": Breach(
        files={
            "m/config.pbtxt": LINEAR.encode(),
            "m/1/model.onnx": onnxruntime_models.external_data()[0].replace(b"weights.bin", b"../../m.bin"),
            "m.bin": onnxruntime_models.external_data()[1],
        },
        release="24.10",
    ),
    "model-file-outside": Breach(
        files={
            "m/config.pbtxt": (LINEAR + 'default_model_filename: "../net.onnx"\n').encode(),
            "m/1/keep": b"",
            "m/net.onnx": onnxruntime_models.linear(),
        }
    ),
    "cpu-accelerator": onnx_breach(accelerator("cpu", 'name: "dnnl"')),
    "gpu-accelerator": onnx_breach(accelerator("gpu", 'name: "tensort"'), gpus=True),
    "gpu-accelerator-parameter": onnx_breach(
        accelerator("gpu", 'name: "tensorrt" parameters { key: "precision" value: "FP16" }'), gpus=True
    ),
}
