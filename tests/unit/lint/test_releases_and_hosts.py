"""Verdicts that depend on the release or on the host."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tritonkit.repository.lint import lint_repository
from tritonkit.spec.ngc import release

sys.path.append(str(Path(__file__).parents[2] / "cases"))
from core_models import IDENTITY, PLAIN
from lint_breaches import accelerator
from onnxruntime_models import BARE, identity, linear


def verdict(repository, target="26.07", name="m", **options):
    report = lint_repository(repository, release(target), **{"gpus": False, **options})
    (found,) = [model for model in report.models if model.name == name]
    return found.loads, {problem.rule for problem in found.problems}


def write(repository, config, **files):
    (repository / "m" / "1").mkdir(parents=True)
    (repository / "m" / "config.pbtxt").write_text(config)
    for path, content in files.items():
        (repository / "m" / "1" / path.replace("_", ".")).write_bytes(content)


@pytest.mark.parametrize(
    ("config", "rule", "since"),
    [
        (BARE + "model_metrics { }\n", "config-newer-field", "24.11"),
        (BARE.replace('"x"', '"x" is_non_linear_format_io: true'), "config-newer-field", "24.08"),
    ],
)
def test_fields_are_known_since_a_release(config, rule, since, tmp_path):
    write(tmp_path, config, model_onnx=linear())
    assert rule in verdict(tmp_path, "24.07")[1]
    assert rule not in verdict(tmp_path, since)[1]


@pytest.mark.parametrize(
    ("opset", "ir", "target"), [(21, 10, "24.05"), (22, 10, "25.03"), (23, 11, "25.08"), (26, 13, "26.07")]
)
def test_opset_and_ir_version_are_known_since_a_release(opset, ir, target, tmp_path):
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "1" / "model.onnx").write_bytes(identity(["N", 4], opset=opset, ir_version=ir))
    assert verdict(tmp_path, target) == (True, set())
    assert not verdict(tmp_path, "24.04")[0]


@pytest.mark.parametrize(("target", "loads"), [("26.01", True), ("26.02", False)])
def test_labels_stay_inside_since_26_02(target, loads, tmp_path):
    write(tmp_path, BARE.replace('"y"', '"y" label_filename: "../labels.txt"'), model_onnx=linear())
    (tmp_path / "labels.txt").write_text("one\n")
    assert verdict(tmp_path, target) == (loads, {"label-file"})


@pytest.mark.parametrize(("target", "loads"), [("25.02", True), ("25.03", False)])
def test_tensorflow_left_the_image_with_25_03(target, loads, tmp_path):
    write(tmp_path, 'platform: "tensorflow_graphdef"\n' + PLAIN.partition("\n")[2], model_graphdef=b"x")
    assert verdict(tmp_path, target)[0] == loads


@pytest.mark.parametrize(
    ("backend", "loads"), [("tensorrt", True), ("pytorch", True), ("dali", True), ("vllm", True), ("onnx", False)]
)
def test_backends_of_the_image(backend, loads, tmp_path):
    config = f'backend: "{backend}"\n' + BARE.partition("\n")[2]
    write(tmp_path, config, model_plan=b"x", model_pt=b"x")
    assert verdict(tmp_path)[0] == loads


def test_a_model_may_bring_its_backend(tmp_path):
    write(tmp_path, 'backend: "own"\n' + BARE.partition("\n")[2])
    assert verdict(tmp_path) == (False, {"backend-unknown"})
    (tmp_path / "m" / "1" / "libtriton_own.so").write_bytes(b"x")
    assert verdict(tmp_path) == (True, set())


GPU_LISTS = {
    "tensorrt": 'name: "tensorrt" parameters { key: "precision_mode" value: "FP16" }',
    "trt_fraction": 'name: "tensorrt" parameters { key: "max_workspace_size_bytes" value: "1e9" }',
    "trt_word": 'name: "tensorrt" parameters { key: "max_workspace_size_bytes" value: "big" }',
    "trt_mode": 'name: "tensorrt" parameters { key: "precision_mode" value: "FP8" }',
    "trt_key": 'name: "tensorrt" parameters { key: "trt_no_such_key" value: "1" }',
    "trt_bool": 'name: "tensorrt" parameters { key: "trt_engine_cache_enable" value: "yes" }',
    "trt_int": 'name: "tensorrt" parameters { key: "trt_auxiliary_streams" value: "few" }',
    "trt_abort": 'name: "tensorrt" parameters { key: "trt_auxiliary_streams" value: "99999999999" }',
    "cuda": 'name: "cuda" parameters { key: "anything" value: "x" }',
    "cuda_bool": 'name: "cuda" parameters { key: "do_copy_in_default_stream" value: "maybe" }',
    "unknown": 'name: "gpu_io"',
}


@pytest.mark.parametrize("name", GPU_LISTS)
def test_gpu_accelerators_count_on_a_gpu_alone(name, tmp_path):
    write(tmp_path, accelerator("gpu", GPU_LISTS[name]), model_onnx=linear())
    good = name in ("tensorrt", "trt_fraction", "cuda")
    assert verdict(tmp_path, gpus=True)[0] == good
    loads, rules = verdict(tmp_path, gpus=False)
    assert loads
    assert bool(rules) != good


@pytest.mark.parametrize(("target", "loads"), [("26.01", False), ("26.02", True)])
def test_bf16_engines_since_26_02(target, loads, tmp_path):
    entry = 'name: "tensorrt" parameters { key: "precision_mode" value: "BF16" }'
    write(tmp_path, accelerator("gpu", entry), model_onnx=linear())
    assert verdict(tmp_path, target, gpus=True)[0] == loads


@pytest.mark.parametrize("kind", ["KIND_GPU", "KIND_AUTO gpus: [ 0 ]"])
def test_gpu_instances_load_where_there_are_gpus(kind, tmp_path):
    write(tmp_path, f"{BARE}instance_group [ {{ kind: {kind} }} ]\n", model_onnx=linear())
    assert verdict(tmp_path, gpus=True) == (True, set())
    assert not verdict(tmp_path, gpus=False)[0]


def test_gpu_parameters_count_on_a_gpu_alone(tmp_path):
    text = BARE + 'parameters { key: "arena_extend_strategy" value: { string_value: "7" } }\n'
    write(tmp_path, text, model_onnx=linear())
    assert verdict(tmp_path, gpus=True) == (False, {"parameter-choice"})
    assert verdict(tmp_path, gpus=False) == (True, set())


def test_without_auto_complete_a_directory_needs_a_configuration(tmp_path):
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "1" / "model.onnx").write_bytes(linear())
    assert verdict(tmp_path) == (True, set())
    assert not verdict(tmp_path, auto_complete=False)[0]


def test_an_ensemble_sees_what_auto_complete_gives_its_models(tmp_path):
    (tmp_path / "part" / "1").mkdir(parents=True)
    (tmp_path / "part" / "1" / "model.onnx").write_bytes(linear())
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "1" / "keep").touch()
    config = """
platform: "ensemble"
max_batch_size: BATCH
input [ { name: "in" data_type: TYPE_FP32 dims: [ 4 ] } ]
output [ { name: "out" data_type: TYPE_FP32 dims: [ 3 ] } ]
ensemble_scheduling { step [ {
  model_name: "part" model_version: -1
  input_map { key: "x" value: "in" } output_map { key: "y" value: "out" }
} ] }
"""
    (tmp_path / "m" / "config.pbtxt").write_text(config.replace("BATCH", "4"))
    assert verdict(tmp_path) == (True, set())
    (tmp_path / "m" / "config.pbtxt").write_text(config.replace("BATCH", "8"))
    assert verdict(tmp_path) == (False, {"ensemble-batch-size"})


def test_a_python_model_that_completes_itself_is_not_guessed_at(tmp_path):
    completing = IDENTITY + "\n    @staticmethod\n    def auto_complete_config(config):\n        return config\n"
    for name, source in (("part", completing), ("plain", IDENTITY)):
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "config.pbtxt").write_text('backend: "python"\n')
        (tmp_path / name / "1" / "model.py").write_text(source)
        ensemble = tmp_path / f"calls_{name}"
        (ensemble / "1").mkdir(parents=True)
        (ensemble / "1" / "keep").touch()
        (ensemble / "config.pbtxt").write_text(
            'platform: "ensemble"\n'
            'input [ { name: "in" data_type: TYPE_FP32 dims: [ 4 ] } ]\n'
            'output [ { name: "out" data_type: TYPE_FP32 dims: [ 4 ] } ]\n'
            f'ensemble_scheduling {{ step [ {{ model_name: "{name}" model_version: -1\n'
            ' input_map { key: "x" value: "in" } output_map { key: "y" value: "out" } } ] }\n'
        )
    assert verdict(tmp_path, name="calls_part") == (True, set())
    assert verdict(tmp_path, name="calls_plain") == (False, {"ensemble-maps"})
