"""The table of all rules. A rule is one function; its docstring says what it is, `source` where Triton says so."""

from __future__ import annotations

from tritonkit.repository.lint import (
    accelerators,
    backends,
    ensemble_models,
    ensembles,
    instances,
    layout,
    onnx_against_config,
    onnx_files,
    onnx_parameters,
    python_models,
    schedulers,
    tensors,
    text,
    warmup,
)
from tritonkit.repository.lint.findings import Rule

_CONFIG_UTILS = "core/src/model_config_utils.cc"
_LIFECYCLE = "core/src/model_repository_manager/model_lifecycle.cc VersionsToLoad"
_MANAGER = "core/src/model_repository_manager/model_repository_manager.cc"
_SEQUENCE = "core/src/sequence_batch_scheduler/sequence_batch_scheduler.cc"
_ENSEMBLE = "core/src/ensemble_scheduler/ensemble_utils.cc"
_BACKEND_MODEL = "core/src/backend_model.cc"
_ONNX = "onnxruntime_backend/src/onnxruntime.cc"
_PYTHON = "python_backend/src"
_MEASURED = "measured on 2.51.0"

# In the order in which the server comes across them.
RULES: tuple[Rule, ...] = (
    # directories
    Rule(
        id="stray-directory",
        check=layout.stray_directory,
        source=f"{_CONFIG_UTILS} AutoCompleteBackendFields",
        needs_config=False,
    ),
    Rule(
        id="config-missing",
        check=layout.config_missing,
        source=f"{_MANAGER} InitializeModelInfo",
        needs_config=False,
    ),
    Rule(id="version-overflow", check=layout.version_overflow, source=f"{_LIFECYCLE}; {_MEASURED}", needs_config=False),
    Rule(id="version-none", check=layout.no_version, source=f"{_LIFECYCLE}; {_MEASURED}"),
    Rule(id="version-name", check=layout.version_folder_name, source=f"{_LIFECYCLE}; {_MEASURED}"),
    Rule(id="version-ambiguous", check=layout.version_folder_ambiguous, source=_LIFECYCLE, severity="warning"),
    Rule(id="version-ignored", check=layout.version_folder_ignored, source=_LIFECYCLE, severity="warning"),
    Rule(id="version-absent", check=layout.version_absent, source=_LIFECYCLE, severity="warning"),
    Rule(id="version-negative", check=layout.version_negative, source=f"{_LIFECYCLE}; {_MEASURED}"),
    Rule(id="ensemble-version-empty", check=layout.empty_ensemble_version, source="server #6380", severity="warning"),
    # the text
    Rule(
        id="config-text",
        check=text.config_text,
        source="core/src/filesystem/api.cc ReadTextProto",
        needs_config=False,
    ),
    Rule(
        id="config-unknown-field",
        check=text.config_unknown_field,
        source=f"common/protobuf/model_config.proto; {_MEASURED}",
    ),
    Rule(
        id="config-newer-field", check=text.config_newer_field, source="history of common/protobuf/model_config.proto"
    ),
    Rule(id="config-extra-text", check=text.config_extra_text, source="the kit's config_text", severity="warning"),
    Rule(id="directory-name", check=layout.directory_name, source=f"{_MANAGER} InitializeModelInfo"),
    # the backend and its file
    Rule(id="backend-undetermined", check=backends.backend_undetermined, source=f"{_CONFIG_UTILS} ValidateModelConfig"),
    Rule(id="backend-platform", check=backends.backend_platform_pair, source=f"{_CONFIG_UTILS} ValidateModelConfig"),
    Rule(
        id="backend-unknown",
        check=backends.backend_unknown,
        source=f"{_BACKEND_MODEL} GetBackendRuntimeLibraryName; server/build.py enable_all",
    ),
    Rule(id="backend-runtime", check=backends.backend_runtime, source=f"{_BACKEND_MODEL} GetBackendLibraryProperties"),
    Rule(id="model-file", check=backends.model_file, source=f"{_ONNX} LoadModel; {_MEASURED}"),
    Rule(
        id="model-file-outside",
        check=backends.model_file_outside,
        source="core/src/backend_model.cc; NVIDIA product security 2026/5816",
        severity="warning",
    ),
    Rule(
        id="repository-agent",
        check=backends.repository_agent,
        source=f"{_MANAGER} CreateAgentModelListWithLoadAction; server/build.py enable_all",
    ),
    Rule(id="batch-strategy", check=backends.batch_strategy, source=f"{_BACKEND_MODEL} TritonModel::Create"),
    # inputs and outputs
    Rule(id="max-batch-size", check=tensors.max_batch_size, source=f"{_CONFIG_UTILS} ValidateModelConfig"),
    Rule(id="tensor-name", check=tensors.tensor_name, source=f"{_CONFIG_UTILS} ValidateIOShape"),
    Rule(id="tensor-data-type", check=tensors.tensor_data_type, source=f"{_CONFIG_UTILS} ValidateIOShape"),
    Rule(id="tensor-dims", check=tensors.tensor_dims, source=f"{_CONFIG_UTILS} ValidateIOShape"),
    Rule(id="tensor-reshape", check=tensors.tensor_reshape, source=f"{_CONFIG_UTILS} ValidateIOShape"),
    Rule(id="tensor-format", check=tensors.tensor_format, source=f"{_CONFIG_UTILS} ValidateModelInput"),
    Rule(
        id="tensor-of-tensorrt", check=tensors.tensor_of_tensorrt, source=f"{_CONFIG_UTILS} ValidateNonLinearFormatIO"
    ),
    Rule(id="label-file", check=tensors.label_file, source="core/src/model.cc Model::Init"),
    Rule(id="label-file-twice", check=tensors.label_file_twice, source="core/src/label_provider.cc AddLabels"),
    Rule(id="batch-tensors", check=tensors.batch_tensors, source=f"{_CONFIG_UTILS} ValidateBatchIO"),
    # schedulers
    Rule(
        id="preferred-batch-size", check=schedulers.preferred_batch_size, source=f"{_CONFIG_UTILS} ValidateModelConfig"
    ),
    Rule(id="priority-levels", check=schedulers.priority_levels, source=f"{_CONFIG_UTILS} ValidateModelConfig"),
    Rule(id="preserve-ordering", check=schedulers.preserve_ordering, source=f"{_CONFIG_UTILS} ValidateModelConfig"),
    Rule(id="response-cache", check=schedulers.response_cache, source=f"{_CONFIG_UTILS} ValidateModelConfig"),
    Rule(
        id="sequence-controls",
        check=schedulers.sequence_controls,
        source=f"{_CONFIG_UTILS} GetBooleanSequenceControlProperties, GetTypedSequenceControlProperties",
    ),
    Rule(id="sequence-slots", check=schedulers.slot_utilization, source=f"{_CONFIG_UTILS} ValidateModelConfig"),
    Rule(id="sequence-state", check=schedulers.sequence_state, source=f"{_SEQUENCE} GenerateInitialStateData"),
    Rule(id="model-metrics", check=schedulers.model_metrics, source=f"{_CONFIG_UTILS} ValidateModelMetrics"),
    # instances
    Rule(id="instance-gpu", check=instances.instance_gpu, source=f"{_CONFIG_UTILS} ValidateInstanceGroup; {_MEASURED}"),
    Rule(id="instance-gpus-list", check=instances.instance_gpus_list, source=f"{_CONFIG_UTILS} ValidateInstanceGroup"),
    Rule(id="instance-profile", check=instances.instance_profile, source=f"{_CONFIG_UTILS} ValidateInstanceGroup"),
    # warm-up
    Rule(
        id="warmup-data",
        check=warmup.warmup_data,
        source="core/src/backend_model_instance.cc GenerateWarmupData",
    ),
    Rule(
        id="warmup-inputs", check=warmup.warmup_inputs, source="core/src/infer_request.cc InferenceRequest::Normalize"
    ),
    Rule(
        id="warmup-batch",
        check=warmup.warmup_batch,
        source=f"{_ONNX}, {_PYTHON}/python_be.cc ProcessRequests; {_MEASURED}",
    ),
    Rule(
        id="warmup-unused",
        check=warmup.warmup_unused,
        source="core/src/backend_model_instance.cc GenerateWarmupData",
        severity="warning",
    ),
    # the ONNX file
    Rule(id="onnx-readable", check=onnx_files.onnx_readable, source=_MEASURED),
    Rule(
        id="onnx-graph",
        check=onnx_files.onnx_graph,
        source="onnxruntime core/graph/graph.cc; measured with 1.19 to 1.27",
    ),
    Rule(
        id="onnx-tensor-kind", check=onnx_files.onnx_tensor_kind, source="onnxruntime_backend/src/onnxruntime_utils.cc"
    ),
    Rule(
        id="onnx-opset", check=onnx_files.onnx_opset, source=f"{_MEASURED}, and with the ONNX Runtime of each release"
    ),
    Rule(
        id="onnx-ir-version",
        check=onnx_files.onnx_ir_version,
        source=f"{_MEASURED}, and with the ONNX Runtime of each release",
    ),
    Rule(id="external-data", check=onnx_files.external_data, source="measured with ONNX Runtime 1.19 to 1.27"),
    Rule(
        id="external-data-link",
        check=onnx_files.external_data_links,
        source="measured with ONNX Runtime 1.19 to 1.27",
        severity="warning",
    ),
    Rule(id="op-library", check=onnx_files.op_library, source=f"{_ONNX} LoadModel; {_MEASURED}"),
    # the ONNX file against the configuration
    Rule(
        id="onnx-batching",
        check=onnx_against_config.onnx_completion,
        source=f"{_ONNX} AutoCompleteMaxBatch; {_MEASURED}",
    ),
    Rule(
        id="onnx-input-count", check=onnx_against_config.onnx_input_count, source=f"{_ONNX} ValidateInputs; {_MEASURED}"
    ),
    Rule(
        id="onnx-tensor-names",
        check=onnx_against_config.onnx_tensor_names,
        source=f"{_ONNX} ValidateInputs, ValidateOutputs; {_MEASURED}",
    ),
    Rule(
        id="onnx-data-types",
        check=onnx_against_config.onnx_data_types,
        source=f"{_ONNX} ValidateInputs, ValidateOutputs; {_MEASURED}",
    ),
    Rule(
        id="onnx-dims",
        check=onnx_against_config.onnx_dims,
        source=f"onnxruntime_backend/src/onnxruntime_utils.cc CompareDimsSupported; {_MEASURED}",
    ),
    Rule(id="onnx-optional", check=onnx_against_config.onnx_optional, source=f"{_ONNX} ValidateInputs; {_MEASURED}"),
    Rule(id="onnx-ragged", check=onnx_against_config.onnx_ragged, source=f"{_ONNX} ValidateInputs"),
    Rule(
        id="onnx-sequence-controls",
        check=onnx_against_config.onnx_sequence_controls,
        source=f"{_ONNX} ValidateBooleanSequenceControl, ValidateTypedSequenceControl",
    ),
    Rule(
        id="onnx-batch-inputs",
        check=onnx_against_config.onnx_batch_inputs,
        source=f"{_ONNX} SetInputTensors; {_MEASURED}",
        severity="warning",
    ),
    # parameters and accelerators of the onnxruntime backend
    Rule(id="parameter-integer", check=onnx_parameters.parameter_integer, source=f"{_ONNX} ModelState; {_MEASURED}"),
    Rule(
        id="parameter-choice",
        check=onnx_parameters.parameter_choice,
        source=f"{_ONNX} ModelState, LoadModel; {_MEASURED}",
    ),
    Rule(
        id="parameter-truth-value",
        check=onnx_parameters.parameter_truth_value,
        source=f"{_ONNX} ModelState; {_MEASURED}",
    ),
    Rule(id="parameter-unknown", check=onnx_parameters.parameter_unknown, source=_MEASURED, severity="warning"),
    Rule(
        id="parameter-without-effect",
        check=onnx_parameters.parameter_without_effect,
        source=f"{_ONNX} ModelState",
        severity="warning",
    ),
    Rule(id="cpu-accelerator", check=accelerators.cpu_accelerator, source=f"{_ONNX} LoadModel; {_MEASURED}"),
    Rule(
        id="cpu-accelerator-openvino",
        check=accelerators.cpu_accelerator_openvino,
        source=f"{_ONNX} LoadModel; {_MEASURED}; server/build.py onnxruntime_cmake_args",
    ),
    Rule(id="gpu-accelerator", check=accelerators.gpu_accelerator, source=f"{_ONNX} LoadModel"),
    Rule(id="gpu-accelerator-parameter", check=accelerators.gpu_accelerator_parameter, source=f"{_ONNX} LoadModel"),
    # python models
    Rule(id="python-syntax", check=python_models.python_syntax, source=_MEASURED),
    Rule(id="python-class", check=python_models.python_class, source=f"{_PYTHON}/pb_stub.cc; {_MEASURED}"),
    Rule(
        id="python-execute",
        check=python_models.python_execute,
        source=f"{_PYTHON}/pb_stub.cc; {_MEASURED}",
        severity="warning",
    ),
    Rule(id="python-parameters", check=python_models.python_parameters, source=f"{_PYTHON}/python_be.cc ModelState"),
    # ensembles by themselves
    Rule(
        id="ensemble-platform",
        check=ensembles.ensemble_platform,
        source=f"{_CONFIG_UTILS} ValidateModelConfig, ValidateEnsembleSchedulingConfig",
    ),
    Rule(
        id="ensemble-extras",
        check=ensembles.ensemble_extras,
        source=f"{_CONFIG_UTILS} ValidateEnsembleSchedulingConfig",
    ),
    Rule(id="ensemble-steps", check=ensembles.ensemble_steps, source=f"{_CONFIG_UTILS} BuildEnsembleGraph"),
    Rule(
        id="ensemble-data-flow",
        check=ensembles.ensemble_data_flow,
        source=f"{_CONFIG_UTILS} ValidateEnsembleSchedulingConfig",
    ),
    Rule(
        id="ensemble-output-read",
        check=ensembles.ensemble_output_read,
        source=_MEASURED,
        severity="warning",
    ),
    # ensembles and their models
    Rule(id="ensemble-cycle", check=ensembles.ensemble_cycle, source=f"{_MANAGER} CircularDependencyCheck"),
    Rule(
        id="ensemble-step-missing",
        check=ensemble_models.ensemble_step_missing,
        source=f"{_MANAGER} ConnectDependencyGraph",
    ),
    Rule(id="ensemble-step-fails", check=ensemble_models.ensemble_step_fails, source=f"{_MANAGER} CheckNode"),
    Rule(
        id="ensemble-batch-size",
        check=ensemble_models.ensemble_batch_size,
        source=f"{_ENSEMBLE} ValidateEnsembleConfig",
    ),
    Rule(id="ensemble-maps", check=ensemble_models.ensemble_maps, source=f"{_ENSEMBLE} ValidateTensorMapping"),
    Rule(
        id="ensemble-tensors", check=ensemble_models.ensemble_tensors, source=f"{_ENSEMBLE} ValidateTensorConsistency"
    ),
    Rule(
        id="ensemble-decoupled", check=ensemble_models.ensemble_decoupled, source=f"{_ENSEMBLE} ValidateEnsembleConfig"
    ),
)
