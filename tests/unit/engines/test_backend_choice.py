"""Which backend and file a Triton takes, said before it starts."""

import pytest

from builder.engines import choose_backend, tensorrt_config
from builder.engines.profile_configs import NO_ENGINE, plan_name
from tests.unit.engines.engine_keys import record
from tests.unit.engines.test_profile_configs import CONFIG, config


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "toy"
    (folder / "1").mkdir(parents=True)
    (folder / "configs").mkdir()
    (folder / "config.pbtxt").write_text(CONFIG)
    (folder / "1" / "model.onnx").write_bytes(b"onnx")
    (folder / "1" / plan_name(record())).write_bytes(b"plan")
    (folder / "configs" / "sm86.pbtxt").write_text(tensorrt_config(config(), [record()], where="toy"))
    return folder


def test_without_the_flag_it_is_onnxruntime(model):
    choice = choose_backend(model, 1, None, "8.6")
    assert (choice.backend, choice.file, choice.problem) == ("onnxruntime", "model.onnx", None)


def test_a_profile_that_is_not_there_falls_back_and_says_so(model):
    choice = choose_backend(model, 1, "sm89", "8.9")
    assert choice.backend == "onnxruntime"
    assert choice.because == "config.pbtxt; there is no configs/sm89.pbtxt"


def test_the_profile_takes_the_engine_of_the_gpu(model):
    choice = choose_backend(model, 1, "sm86", "8.6")
    assert (choice.backend, choice.file, choice.problem) == ("tensorrt", plan_name(record()), None)


def test_another_gpu_will_not_load(model):
    choice = choose_backend(model, 1, "sm86", "8.9")
    assert choice.file == NO_ENGINE
    assert choice.because.endswith("its engines are for 8.6, this GPU is 8.9")
    assert choice.problem == f"1/{NO_ENGINE} is not there"


def test_without_a_gpu_the_profile_does_not_load(model):
    assert choose_backend(model, 1, "sm86", None).problem == "the tensorrt backend needs a GPU"


def test_an_engine_that_is_gone(model):
    (model / "1" / plan_name(record())).unlink()
    assert "is not there" in choose_backend(model, 1, "sm86", "8.6").problem
