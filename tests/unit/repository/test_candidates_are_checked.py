"""Only what passed its gates, bit for bit, is a candidate; and nothing that would harm a server."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.candidates import NAME, make_candidate, network, seal_again
from tritonkit.repository.publish import check_candidate
from tritonkit.spec.errors import GateError, InputError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def candidate(tmp_path) -> Path:
    return make_candidate(tmp_path / "candidate", 7)


def _part(candidate: Path, role: str) -> Path:
    return next(candidate.glob(f"{NAME}_{role}_*"))


def _proof(candidate: Path) -> Path:
    return candidate / NAME / "1" / "parity.json"


def _rewrite(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_candidate_is_accepted(candidate):
    checked = check_candidate(candidate)
    assert checked.manifest.name == NAME
    assert [part.role for part in checked.manifest.parts] == ["preprocess", "model", "postprocess"]


def test_a_folder_without_manifest_is_none(tmp_path):
    with pytest.raises(InputError, match="no candidate"):
        check_candidate(tmp_path)


def test_two_manifests_are_none(candidate):
    shutil.copytree(candidate / NAME, candidate / "another")
    with pytest.raises(InputError, match="2 manifests"):
        check_candidate(candidate)


@pytest.mark.parametrize("content", [b"", b"{}", b"not JSON", b'{"schema_version": 99}'])
def test_a_manifest_that_cannot_be_read_is_none(candidate, content):
    (candidate / NAME / "1" / "manifest.json").write_bytes(content)
    with pytest.raises(InputError, match=r"no readable manifest"):
        check_candidate(candidate)


def test_a_changed_file_is_named(candidate):
    file = _part(candidate, "fp32") / "1" / "model.onnx"
    data = bytearray(file.read_bytes())
    data[-9] ^= 1
    file.write_bytes(data)
    with pytest.raises(GateError) as refusal:
        check_candidate(candidate)
    assert str(refusal.value).count(f"{file.relative_to(candidate)} was changed") == 1


def test_a_missing_file_is_named(candidate):
    (_part(candidate, "postprocess") / "1" / "labels.txt").unlink()
    with pytest.raises(GateError, match=r"labels\.txt is missing"):
        check_candidate(candidate)


def test_an_added_file_is_named(candidate):
    (_part(candidate, "preprocess") / "1" / "sitecustomize.py").write_text("")
    with pytest.raises(GateError, match=r"sitecustomize\.py was added"):
        check_candidate(candidate)


def test_an_added_empty_folder_is_named(candidate):
    (_part(candidate, "fp32") / "2").mkdir()
    with pytest.raises(GateError, match=r"the folder marked_fp32_\w+/2 was added"):
        check_candidate(candidate)


def test_a_symbolic_link_is_refused_whatever_it_points_to(candidate, tmp_path):
    file = _part(candidate, "fp32") / "1" / "model.onnx"
    file.rename(tmp_path / "model.onnx")
    file.symlink_to(tmp_path / "model.onnx")
    with pytest.raises(InputError, match="only plain files"):
        check_candidate(candidate)


def test_a_hard_link_is_refused_though_its_content_is_right(candidate, tmp_path):
    file = _part(candidate, "fp32") / "1" / "model.onnx"
    os.link(file, tmp_path / "second_name")
    with pytest.raises(InputError, match=r"model\.onnx: this file is a hard link"):
        check_candidate(candidate)


def test_a_missing_proof_is_refused(candidate):
    _proof(candidate).unlink()
    with pytest.raises(GateError, match="proof of served parity"):
        check_candidate(candidate)


def test_a_foreign_proof_is_refused(candidate, tmp_path):
    other = make_candidate(tmp_path / "other", 8)
    shutil.copyfile(_proof(other), _proof(candidate))
    with pytest.raises(GateError, match="not the one of this manifest"):
        check_candidate(candidate)


def test_another_models_proof_is_refused_even_where_the_digests_fit(candidate, tmp_path):
    other = make_candidate(tmp_path / "other", 8, name="another")
    shutil.copyfile(other / "another" / "1" / "parity.json", _proof(candidate))
    seal_again(candidate)
    with pytest.raises(GateError, match="another model's"):
        check_candidate(candidate)


def test_a_failed_proof_is_refused_even_where_the_digests_fit(candidate):
    _rewrite(_proof(candidate), passed=False)
    seal_again(candidate)
    with pytest.raises(GateError, match="did not pass"):
        check_candidate(candidate)


def test_a_proof_over_one_protocol_is_refused(candidate):
    report = json.loads(_proof(candidate).read_text())
    kept = [comparison for comparison in report["comparisons"] if comparison["protocol"] == "grpc"]
    _rewrite(_proof(candidate), comparisons=kept)
    seal_again(candidate)
    with pytest.raises(GateError, match="over both protocols"):
        check_candidate(candidate)


def test_a_proof_that_says_passed_over_a_failed_comparison_is_refused(candidate):
    report = json.loads(_proof(candidate).read_text())
    report["comparisons"][0] |= {"passed": False, "problem": "off by one"}
    _rewrite(_proof(candidate), comparisons=report["comparisons"])
    seal_again(candidate)
    with pytest.raises(GateError, match="did not pass"):
        check_candidate(candidate)


def test_a_manifest_for_another_name_is_refused(candidate):
    seal_again(candidate, name="another")
    with pytest.raises(GateError, match="another model's"):
        check_candidate(candidate)


@pytest.mark.parametrize("name", ["../marked", "lost+found", "2.tmp", "Marked", "", "a/b"])
def test_a_served_name_that_is_no_folder_of_a_repository_is_refused(candidate, name):
    seal_again(candidate, name=name)
    with pytest.raises(InputError, match="no readable manifest"):
        check_candidate(candidate)


def test_a_part_outside_of_the_repository_is_refused(candidate):
    parts = json.loads((candidate / NAME / "1" / "manifest.json").read_text())["parts"]
    parts[0]["name"] = "../outside"
    seal_again(candidate, parts=parts)
    with pytest.raises(InputError, match="no readable manifest"):
        check_candidate(candidate)


@pytest.mark.parametrize("version", ["2", "2.tmp", "01", "-1", "99999999999999999999"])
def test_a_folder_that_triton_reads_as_a_version_is_refused(candidate, version):
    folder = _part(candidate, "fp32") / version
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"")
    seal_again(candidate)
    with pytest.raises(GateError, match="read this folder as a version"):
        check_candidate(candidate)


@pytest.mark.parametrize("stray", ["lost+found", "another_model", ".staging"])
def test_a_model_that_the_manifest_does_not_name_is_refused(candidate, stray):
    (candidate / stray).mkdir()
    seal_again(candidate)
    with pytest.raises(GateError, match="one served model and its parts"):
        check_candidate(candidate)


def test_a_part_that_the_manifest_names_and_that_is_not_there_is_refused(candidate):
    shutil.rmtree(_part(candidate, "postprocess"))
    seal_again(candidate)
    with pytest.raises(GateError, match="one served model and its parts"):
        check_candidate(candidate)


def test_a_network_of_another_width_than_its_configuration_is_refused(tmp_path):
    candidate = make_candidate(tmp_path / "candidate", 7, served=network(7, classes=5))
    with pytest.raises(GateError, match="will not load"):
        check_candidate(candidate)


def test_an_ensemble_with_a_dangling_step_is_refused(candidate):
    config = candidate / NAME / "config.pbtxt"
    name = _part(candidate, "postprocess").name
    config.write_text(config.read_text().replace(name, f"{name}x"))
    seal_again(candidate)
    with pytest.raises(GateError, match="will not load"):
        check_candidate(candidate)
