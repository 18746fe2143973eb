"""config.pbtxt -> configs/PROFILE.pbtxt."""

import pytest

from builder.engines.profile_configs import NO_ENGINE, accelerator_config, plan_name, tensorrt_config
from tests.unit.engines.engine_keys import FIELDS, record
from tritonkit.repository.config import parse_config
from tritonkit.repository.lint.accelerators import TENSORRT_PARAMETERS, _tensorrt_cause
from tritonkit.spec.errors import InputError

CONFIG = """
name: "toy_fp32_1f3a9c"
backend: "onnxruntime"
version_policy { specific { versions: [1] } }
max_batch_size: 8
input [ { name: "image", data_type: TYPE_FP32, dims: [3, 8, 8] } ]
output [ { name: "logits", data_type: TYPE_FP32, dims: [6] } ]
instance_group [ { count: 2 } ]
dynamic_batching { max_queue_delay_microseconds: 100 }
optimization { graph { level: 1 } }
parameters { key: "intra_op_thread_count", value { string_value: "1" } }
"""


def config():
    return parse_config(CONFIG, where="config.pbtxt")


def profile(*records):
    return parse_config(tensorrt_config(config(), records, where="toy"), where="sm86.pbtxt")


def test_a_tensorrt_profile_names_each_gpus_engine():
    made = profile(record(), record(compute_capability="12.0"))
    assert made.backend == "tensorrt"
    assert dict(made.cc_model_filenames) == {
        "8.6": plan_name(record()),
        "12.0": plan_name(record(compute_capability="12.0")),
    }


def test_a_gpu_without_an_engine_fails_to_load_instead_of_taking_anothers():
    assert profile(record()).default_model_filename == NO_ENGINE


def test_what_is_served_stays_the_same_and_what_is_onnxruntimes_goes():
    made = profile(record())
    assert made.name == "toy_fp32_1f3a9c"
    assert (made.input, made.output, made.max_batch_size) == (config().input, config().output, 8)
    assert made.dynamic_batching == config().dynamic_batching
    assert not made.parameters
    assert not made.HasField("optimization")


def test_instances_are_on_gpus_alone_for_the_backend_takes_no_other():
    (group,) = profile(record()).instance_group
    assert (group.kind, group.count) == (group.KIND_GPU, 2)


def test_the_name_of_a_plan_says_gpu_and_version():
    name = plan_name(record())
    assert name.startswith("model_sm86_trt10.14.1.48_")
    assert name.endswith(".plan")
    assert name != plan_name(record(settings={"tf32": True}))


def test_an_rtx_engine_is_never_a_plan():
    with pytest.raises(InputError, match="cannot load an engine of TensorRT-RTX"):
        profile(record(library="tensorrt_rtx"))


def test_an_engine_for_smaller_batches_is_refused():
    small = FIELDS["profile"] | {"image": ((1, 3, 8, 8), (4, 3, 8, 8), (4, 3, 8, 8))}
    with pytest.raises(InputError, match="max_batch_size 8; expected at most 4"):
        profile(record(profile=small))


@pytest.mark.parametrize(("records", "says"), [((), "needs an engine"), ((record(), record()), "two engines")])
def test_one_engine_for_each_gpu(records, says):
    with pytest.raises(InputError, match=says):
        profile(*records)


def test_the_accelerator_builds_once_and_keeps_what_it_built():
    text = accelerator_config(
        config(),
        "fp16",
        FIELDS["profile"],
        cache_folder="/cache/toy",
        workspace_bytes=1 << 30,
        optimization_level=4,
        where="toy",
    )
    made = parse_config(text, where="accelerated.pbtxt")
    assert made.backend == "onnxruntime"
    (accelerator,) = made.optimization.execution_accelerators.gpu_execution_accelerator
    assert accelerator.name == "tensorrt"
    parameters = dict(accelerator.parameters)
    assert parameters == {
        "precision_mode": "FP16",
        "max_workspace_size_bytes": "1073741824",
        "trt_builder_optimization_level": "4",
        "trt_engine_cache_enable": "true",
        "trt_engine_cache_path": "/cache/toy",
        "trt_timing_cache_enable": "true",
        "trt_timing_cache_path": "/cache/toy",
        "trt_profile_min_shapes": "image:1x3x8x8",
        "trt_profile_opt_shapes": "image:4x3x8x8",
        "trt_profile_max_shapes": "image:8x3x8x8",
    }
    # The linter's table is the backend's closed list, with each value's type.
    assert set(parameters) <= set(TENSORRT_PARAMETERS)
    assert [_tensorrt_cause(name, value, with_bf16=False) for name, value in parameters.items()] == [None] * 10
    # What ONNX Runtime itself is told stays.
    assert made.parameters["intra_op_thread_count"].string_value == "1"


def test_the_accelerator_has_no_mode_for_fp8():
    with pytest.raises(InputError, match="no mode for this precision; got fp8"):
        accelerator_config(config(), "fp8", {}, cache_folder="/cache", where="toy")
