"""The repository that a node serves, and the published one that stays as it is."""

import hashlib

import pytest

from builder.engines.engine_cache import CachedEngine
from builder.engines.node_repository import ReadyModel, lay_repository
from builder.engines.profile_configs import plan_name
from builder.engines.repository_models import find_onnx_models
from tests.unit.engines.engine_keys import record
from tests.unit.engines.test_profile_configs import CONFIG
from tritonkit.repository.config import read_config
from tritonkit.repository.digests import read_tree
from tritonkit.spec.errors import GateError, InputError

NAME = "toy_fp32_1f3a9c"


@pytest.fixture
def published(tmp_path):
    folder = tmp_path / "published"
    (folder / NAME / "1").mkdir(parents=True)
    (folder / NAME / "config.pbtxt").write_text(CONFIG)
    (folder / NAME / "1" / "model.onnx").write_bytes(b"onnx")
    (folder / "steps" / "1").mkdir(parents=True)
    (folder / "steps" / "config.pbtxt").write_text('name: "steps" backend: "python"')
    return folder


@pytest.fixture
def engine(tmp_path):
    file = tmp_path / "model.plan"
    file.write_bytes(b"plan")
    return CachedEngine(file=file, record=record(sha256=hashlib.sha256(b"plan").hexdigest()), cached=True)


def ready(published, engine):
    (model,) = find_onnx_models(published)
    return [ReadyModel(model=model, engines=(engine,))]


def test_engines_and_profile_come_beside_the_onnx_files(tmp_path, published, engine):
    before = read_tree(published)
    lay_repository(published, tmp_path / "served", ready(published, engine), "sm86")
    served = tmp_path / "served" / NAME
    assert (served / "1" / "model.onnx").read_bytes() == b"onnx"
    assert (served / "1" / plan_name(engine.record)).read_bytes() == b"plan"
    assert read_config(served / "config.pbtxt").backend == "onnxruntime"
    assert read_config(served / "configs" / "sm86.pbtxt").backend == "tensorrt"
    assert (tmp_path / "served" / "steps" / "config.pbtxt").is_file()
    assert read_tree(published) == before


def test_laying_again_replaces_the_whole(tmp_path, published, engine):
    out = tmp_path / "served"
    lay_repository(published, out, ready(published, engine), "sm86")
    (out / "stray").mkdir()
    lay_repository(published, out, ready(published, engine), "sm86")
    assert not (out / "stray").exists()
    assert not list(tmp_path.glob(".served-*"))


def test_a_profile_already_published_is_not_written_through_its_link(tmp_path, published, engine):
    (published / NAME / "configs").mkdir()
    (published / NAME / "configs" / "sm86.pbtxt").write_text("# published")
    lay_repository(published, tmp_path / "served", ready(published, engine), "sm86")
    assert (published / NAME / "configs" / "sm86.pbtxt").read_text() == "# published"


def test_a_changed_engine_is_not_laid_and_what_was_there_stays(tmp_path, published, engine):
    out = tmp_path / "served"
    lay_repository(published, out, ready(published, engine), "sm86")
    before = read_tree(out)
    engine.file.write_bytes(b"evil")
    with pytest.raises(GateError, match="not the one that was built"):
        lay_repository(published, out, ready(published, engine), "sm86")
    assert read_tree(out) == before


def test_models_are_found_by_backend(published):
    (model,) = find_onnx_models(published)
    assert (model.name, model.version.name, model.onnx.name, model.golden) == (NAME, "1", "model.onnx", None)


def test_a_model_that_is_not_there_is_named_with_those_that_are(published):
    with pytest.raises(InputError, match=f"got other; expected {NAME}"):
        find_onnx_models(published, ["other"])
