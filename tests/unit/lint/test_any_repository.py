"""Whatever a repository holds, lint gives a verdict on it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tritonkit.repository.config import write_config
from tritonkit.repository.lint import lint_repository
from tritonkit.spec.ngc import release

sys.path.append(str(Path(__file__).parents[2] / "cases"))
from onnxruntime_models import BARE, linear
from random_configs import configs


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(configs(), st.sampled_from(["onnxruntime", "python", "", None]), st.booleans(), st.booleans())
def test_any_configuration_gets_a_verdict(tmp_path, config, backend, gpus, auto_complete):
    shutil.rmtree(tmp_path)
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "1" / "model.onnx").write_bytes(linear())
    (tmp_path / "m" / "1" / "model.py").write_text("class TritonPythonModel:\n    pass\n")
    if backend is not None:
        config.backend = backend
    (tmp_path / "m" / "config.pbtxt").write_text(write_config(config))
    report = lint_repository(tmp_path, release("26.07"), gpus=gpus, auto_complete=auto_complete)
    assert [model.name for model in report.models] == ["m"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80), st.integers(0, len(linear())))
def test_any_bytes_in_a_model_get_a_verdict(tmp_path, noise, place):
    shutil.rmtree(tmp_path)
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "config.pbtxt").write_text(BARE)
    content = linear()
    (tmp_path / "m" / "1" / "model.onnx").write_bytes(content[:place] + noise + content[place + len(noise) :])
    assert len(lint_repository(tmp_path, release("26.07"), gpus=False).models) == 1


@pytest.mark.parametrize(
    "path",
    ["config.pbtxt/", "1/model.onnx/", "1/model.onnx/model.onnx/", "1/model.py/", "2/", "configs/", "1"],
)
def test_a_directory_where_a_file_is_wanted_gets_a_verdict(path, tmp_path):
    target = tmp_path / "m" / path
    if path.endswith("/"):
        target.mkdir(parents=True)
    else:
        target.parent.mkdir(parents=True)
        target.write_bytes(b"x")
    (model,) = lint_repository(tmp_path, release("26.07"), gpus=False).models
    assert not model.loads


def test_links_that_lead_nowhere_get_a_verdict(tmp_path):
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "config.pbtxt").symlink_to("nowhere")
    (tmp_path / "m" / "1" / "model.onnx").symlink_to("nowhere")
    (tmp_path / "gone").symlink_to("nowhere")
    (model,) = lint_repository(tmp_path, release("26.07"), gpus=False).models
    assert not model.loads
