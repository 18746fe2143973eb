"""Weights beside the ONNX file: there, whole, of the right size, and inside as far as the release demands."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import onnx
import pytest

from tritonkit.repository.lint import lint_repository
from tritonkit.spec.ngc import release

sys.path.append(str(Path(__file__).parents[2] / "cases"))
from onnxruntime_models import BARE, external_data

MODEL, WEIGHTS = external_data()


def verdict(repository, target="26.07"):
    (found,) = lint_repository(repository, release(target), gpus=False).models
    return found.loads, {problem.rule for problem in found.problems}


def write(repository, model=MODEL, weights=WEIGHTS):
    folder = repository / "m" / "1"
    folder.mkdir(parents=True)
    (repository / "m" / "config.pbtxt").write_text(BARE)
    (folder / "model.onnx").write_bytes(model)
    if weights is not None:
        (folder / "weights.bin").write_bytes(weights)
    return folder


def with_entry(key, value):
    """The model with another entry of its external data; `None` leaves it out."""
    proto = onnx.load_model_from_string(MODEL)
    entries = {entry.key: entry.value for entry in proto.graph.initializer[0].external_data} | {key: value}
    proto.graph.initializer[0].ClearField("external_data")
    for name, text in entries.items():
        if text is not None:
            proto.graph.initializer[0].external_data.add(key=name, value=text)
    return proto.SerializeToString()


@pytest.mark.parametrize(
    ("model", "weights", "loads"),
    [
        (MODEL, WEIGHTS, True),
        (MODEL, WEIGHTS + b"more", True),
        (MODEL, None, False),
        (MODEL, WEIGHTS[:-1], False),
        (with_entry("length", None), WEIGHTS, True),
        (with_entry("length", None), WEIGHTS[:-1], False),
        (with_entry("length", "47"), WEIGHTS, False),
        (with_entry("length", "49"), WEIGHTS + b"more", False),
        (with_entry("offset", "4096"), WEIGHTS, False),
        (with_entry("location", None), WEIGHTS, False),
    ],
)
def test_weights_are_whole_and_of_their_size(model, weights, loads, tmp_path):
    write(tmp_path, model, weights)
    assert verdict(tmp_path) == (loads, set() if loads else {"external-data"})


@pytest.mark.parametrize("location", ["../../weights.bin", "ABSOLUTE"])
@pytest.mark.parametrize(("target", "loads"), [("24.10", True), ("26.01", True), ("26.02", False), ("26.07", False)])
def test_a_path_out_of_the_model_is_refused_since_26_02(location, target, loads, tmp_path):
    (tmp_path / "weights.bin").write_bytes(WEIGHTS)
    location = str(tmp_path / "weights.bin") if location == "ABSOLUTE" else location
    write(tmp_path, with_entry("location", location), None)
    assert verdict(tmp_path, target) == (loads, {"external-data-link" if loads else "external-data"})


def test_a_link_out_of_the_model_is_refused_since_26_02(tmp_path):
    (tmp_path / "weights.bin").write_bytes(WEIGHTS)
    folder = write(tmp_path, weights=None)
    (folder / "weights.bin").symlink_to(tmp_path / "weights.bin")
    assert verdict(tmp_path, "25.10") == (True, {"external-data-link"})
    assert verdict(tmp_path, "26.07") == (False, {"external-data"})


@pytest.mark.parametrize(("target", "loads"), [("26.02", False), ("26.04", True)])
def test_a_linked_model_may_have_its_weights_where_it_leads_since_26_04(target, loads, tmp_path):
    blobs = tmp_path / "files.txt" / "blobs"
    blobs.mkdir(parents=True)
    repository = tmp_path / "repository"
    folder = write(repository, weights=None)
    (folder / "model.onnx").rename(blobs / "a")
    (blobs / "b").write_bytes(WEIGHTS)
    (folder / "model.onnx").symlink_to(blobs / "a")
    (folder / "weights.bin").symlink_to(blobs / "b")
    assert verdict(repository, target)[0] == loads


def test_a_hard_link_is_warned_of(tmp_path):
    (tmp_path / "weights.bin").write_bytes(WEIGHTS)
    folder = write(tmp_path, weights=None)
    os.link(tmp_path / "weights.bin", folder / "weights.bin")
    assert verdict(tmp_path) == (True, {"external-data-link"})


def test_a_pointer_of_git_lfs_is_named(tmp_path):
    write(tmp_path, b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    (model,) = lint_repository(tmp_path, release("26.07"), gpus=False).models
    assert any("git lfs pull" in problem.fix for problem in model.problems if problem.rule == "onnx-readable")
