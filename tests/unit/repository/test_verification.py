"""`verify`: a published repository holds what was proven, every file and every folder of it, and nothing else."""

from __future__ import annotations

import json

import pytest

from tests.candidates import NAME, make_candidate
from tritonkit.commands.front_door import main
from tritonkit.repository.publish import check_candidate, publish
from tritonkit.repository.verify import copy_verified, verify, verify_repository
from tritonkit.spec.errors import GateError, InputError


@pytest.fixture
def repository(tmp_path):
    repository = tmp_path / "model_repository"
    for mark in (1, 2):
        publish(check_candidate(make_candidate(tmp_path / f"candidate_{mark}", mark)), repository)
    return repository


def _manifest(repository, number):
    return json.loads((repository / NAME / str(number) / "manifest.json").read_text())


def test_every_version_is_verified(repository):
    assert [(model.name, model.version) for model in verify_repository(repository)] == [(NAME, 1), (NAME, 2)]


def test_a_changed_part_of_a_version_that_is_not_served_is_found(repository):
    part = _manifest(repository, 1)["parts"][1]["name"]
    (repository / part / "1" / "model.onnx").write_bytes(b"")
    verify(repository, NAME)
    with pytest.raises(GateError, match=rf"version 1 of {NAME}: {part}/1/model\.onnx was changed"):
        verify_repository(repository)


@pytest.mark.parametrize("place", ["{part}/2", "{part}/1/empty", "marked/2/empty", "marked/3", "marked/2.tmp"])
def test_an_added_empty_folder_is_found(repository, place):
    (repository / place.format(part=_manifest(repository, 2)["parts"][0]["name"])).mkdir()
    with pytest.raises(GateError, match="was added"):
        verify_repository(repository)


@pytest.mark.parametrize("place", ["marked/notes.txt", "marked/2/golden/more.png"])
def test_an_added_file_is_found(repository, place):
    (repository / place).write_text("")
    with pytest.raises(GateError, match="was added"):
        verify_repository(repository)


def test_a_configuration_that_calls_other_parts_is_found(repository):
    config = repository / NAME / "config.pbtxt"
    old, new = (_manifest(repository, number)["parts"][1]["name"] for number in (1, 2))
    config.write_text(config.read_text().replace(new, old))
    with pytest.raises(GateError, match="not the served version's"):
        verify_repository(repository)


def test_a_mixed_configuration_in_both_places_is_found(repository):
    old, new = (_manifest(repository, number)["parts"][1]["name"] for number in (1, 2))
    for config in (repository / NAME / "config.pbtxt", repository / NAME / "2" / "config.pbtxt"):
        config.write_text(config.read_text().replace(new, old))
    with pytest.raises(GateError, match=r"marked/config\.pbtxt was changed"):
        verify_repository(repository)


def test_a_manifest_under_another_name_is_found(repository):
    (repository / NAME).rename(repository / "renamed")
    with pytest.raises(GateError, match="another model's"):
        verify(repository, "renamed")


def test_the_digest_that_was_asked_for_decides(repository, tmp_path):
    first = check_candidate(tmp_path / "candidate_1" / "repository").sha256
    with pytest.raises(GateError, match="which is not the one asked for"):
        verify(repository, NAME, first)
    copied = copy_verified(repository, NAME, tmp_path / "copy", first)
    assert (copied.version, copied.manifest_sha256) == (1, first)
    assert verify(tmp_path / "copy", NAME, first).files == copied.files


def test_a_repository_without_anything_of_the_kits_is_an_error_of_its_own(tmp_path):
    with pytest.raises(InputError, match="has published nothing here"):
        verify_repository(tmp_path)


def test_the_exit_code_says_it(repository, tmp_path, capsys):
    assert main(["verify", str(repository)]) == 0
    assert capsys.readouterr().out.count("files are what was proven") == 2
    assert main(["verify", str(tmp_path / "candidate_1" / "repository"), "--model", NAME]) == 0
    assert main(["verify", str(tmp_path / "nowhere")]) == 2
    (repository / NAME / "9").mkdir()
    assert main(["verify", str(repository)]) == 1
    assert "something was added" in capsys.readouterr().err
