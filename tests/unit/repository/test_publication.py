"""Versions come whole, in order and once; a rollback leads back; what was left half-done is completed or harmless."""

from __future__ import annotations

import fcntl
import json
import shutil
from pathlib import Path

import pytest

from tests.candidates import NAME, make_candidate
from tritonkit.repository.layout import golden_folder, served_version
from tritonkit.repository.ledger import read_ledger, used_numbers
from tritonkit.repository.publish import Change, check_candidate, publish, rollback
from tritonkit.repository.stores import open_store
from tritonkit.repository.verify import verify, verify_repository
from tritonkit.spec.errors import ConflictError, GateError, InputError


@pytest.fixture
def repository(tmp_path) -> Path:
    return tmp_path / "model_repository"


@pytest.fixture
def candidates(tmp_path):
    """Candidates by their mark; the same mark gives the same candidate."""
    made = {}

    def candidate(mark: int, **options):
        if mark not in made:
            made[mark] = check_candidate(make_candidate(tmp_path / f"candidate_{mark}", mark, **options))
        return made[mark]

    return candidate


def _entries(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_the_first_version_comes_with_its_parts_and_nothing_else(repository, candidates):
    change = publish(candidates(1), repository)
    assert change == Change(name=NAME, version=1, before=None)
    assert served_version(repository, NAME) == 1
    assert _entries(repository) == sorted([NAME, *(part.name for part in candidates(1).manifest.parts)])
    assert _entries(repository / NAME) == ["1", "config.pbtxt"]
    assert verify(repository, NAME).manifest_sha256 == candidates(1).sha256
    assert golden_folder(repository, NAME) == repository / NAME / "1" / "golden"


def test_numbers_go_up_and_the_ledger_says_what_each_version_replaced(repository, candidates):
    assert [publish(candidates(mark), repository).version for mark in (1, 2, 3)] == [1, 2, 3]
    ledger = read_ledger(open_store(repository), NAME)
    assert {number: line.replaces for number, line in ledger.items()} == {1: None, 2: 1, 3: 2}
    assert [line.candidate_sha256 for line in ledger.values()] == [candidates(mark).sha256 for mark in (1, 2, 3)]
    assert len(verify_repository(repository)) == 3


def test_publishing_again_what_is_served_changes_nothing(repository, candidates):
    publish(candidates(1), repository)
    before = {path: path.stat().st_mtime_ns for path in repository.rglob("*")}
    assert not publish(candidates(1), repository).changed
    assert {path: path.stat().st_mtime_ns for path in repository.rglob("*")} == before


def test_publishing_again_an_older_candidate_serves_its_version_again(repository, candidates):
    for mark in (1, 2):
        publish(candidates(mark), repository)
    assert publish(candidates(1), repository) == Change(name=NAME, version=1, before=2)
    assert used_numbers(open_store(repository), NAME) == [1, 2]


def test_parts_of_equal_content_are_shared(repository, tmp_path):
    for mark in (1, 2):
        publish(check_candidate(make_candidate(tmp_path / str(mark), mark, shared=True)), repository)
    parts = [name for name in _entries(repository) if name != NAME]
    assert len(parts) == 4  # one preprocess, one postprocess, two networks


def test_a_number_is_not_used_again_after_a_rollback(repository, candidates):
    for mark in (1, 2):
        publish(candidates(mark), repository)
    rollback(repository, NAME)
    assert publish(candidates(3), repository) == Change(name=NAME, version=3, before=1)


def test_a_number_that_a_stranger_took_is_passed_over(repository, candidates):
    publish(candidates(1), repository)
    (repository / NAME / "7").mkdir()
    assert publish(candidates(2), repository).version == 8


def test_a_number_that_would_end_the_server_is_refused(repository, candidates):
    publish(candidates(1), repository)
    (repository / NAME / "99999999999999999999").mkdir()
    with pytest.raises(InputError, match="too large a version number"):
        publish(candidates(2), repository)


def test_rollback_leads_to_what_was_served_before_not_to_the_number_below(repository, candidates):
    for mark in (1, 2):
        publish(candidates(mark), repository)
    rollback(repository, NAME)
    publish(candidates(3), repository)
    assert rollback(repository, NAME) == Change(name=NAME, version=1, before=3)


def test_rollback_to_a_version(repository, candidates):
    for mark in (1, 2, 3):
        publish(candidates(mark), repository)
    assert rollback(repository, NAME, 1).version == 1
    assert rollback(repository, NAME, 3).version == 3
    verify(repository, NAME)


@pytest.mark.parametrize("version", [None, 9])
def test_rollback_to_nowhere_says_what_there_is(repository, candidates, version):
    publish(candidates(1), repository)
    with pytest.raises(InputError, match="expected one of 1"):
        rollback(repository, NAME, version)


def test_rollback_of_a_name_that_is_not_there(repository):
    with pytest.raises(InputError, match="expected a published version"):
        rollback(repository, "nobody")


def test_rollback_refuses_a_version_whose_part_was_changed(repository, candidates):
    for mark in (1, 2):
        publish(candidates(mark), repository)
    part = candidates(1).manifest.parts[1].name
    (repository / part / "1" / "model.onnx").write_bytes(b"")
    with pytest.raises(GateError, match=rf"version 1 of {NAME}: {part}/1/model\.onnx was changed"):
        rollback(repository, NAME)
    assert served_version(repository, NAME) == 2


def test_a_part_that_is_gone_comes_back_with_its_candidate(repository, candidates):
    for mark in (1, 2):
        publish(candidates(mark), repository)
    shutil.rmtree(repository / candidates(1).manifest.parts[0].name)
    with pytest.raises(GateError, match="is missing"):
        rollback(repository, NAME)
    assert publish(candidates(1), repository).version == 1
    verify(repository, NAME)


def test_a_parts_name_that_is_taken_by_other_content_is_a_conflict(repository, candidates):
    publish(candidates(1), repository)
    part = candidates(2).manifest.parts[1].name
    (repository / part).mkdir()
    with pytest.raises(ConflictError, match="taken by other content"):
        publish(candidates(2), repository)
    assert served_version(repository, NAME) == 1


def test_a_configuration_of_somebody_elses_is_left_alone(repository, candidates):
    (repository / NAME).mkdir(parents=True)
    (repository / NAME / "config.pbtxt").write_text('name: "marked"\nbackend: "python"\n')
    with pytest.raises(InputError, match="not written by the kit"):
        publish(candidates(1), repository)
    assert _entries(repository) == [NAME]


def test_a_version_that_was_left_uncommitted_is_committed_under_its_number(repository, candidates):
    publish(candidates(1), repository)
    config = (repository / NAME / "config.pbtxt").read_bytes()
    publish(candidates(2), repository)
    (repository / NAME / "config.pbtxt").write_bytes(config)  # as after a kill before the last step
    assert served_version(repository, NAME) == 1
    assert publish(candidates(2), repository) == Change(name=NAME, version=2, before=1)


def test_a_version_that_was_left_uncommitted_keeps_its_number_from_others(repository, candidates):
    publish(candidates(1), repository)
    config = (repository / NAME / "config.pbtxt").read_bytes()
    publish(candidates(2), repository)
    (repository / NAME / "config.pbtxt").write_bytes(config)
    assert publish(candidates(3), repository) == Change(name=NAME, version=3, before=1)
    assert rollback(repository, NAME).version == 1


def test_what_a_killed_publisher_left_in_staging_is_cleared(repository, candidates):
    publish(candidates(1), repository)
    staging = repository.parent / f".{repository.name}.tritonkit" / "staging"
    (staging / "candidate" / "half").mkdir(parents=True)
    publish(candidates(2), repository)
    assert not staging.exists()


def test_a_second_publisher_gets_a_conflict_and_the_first_is_not_disturbed(repository, candidates):
    publish(candidates(1), repository)
    with (repository.parent / f".{repository.name}.tritonkit" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConflictError, match="another publisher is at work") as refusal:
            publish(candidates(2), repository)
    assert refusal.value.exit_code == 4
    assert publish(candidates(2), repository).version == 2


def test_a_change_by_hand_while_publishing_is_a_conflict(repository, candidates):
    publish(candidates(1), repository)

    def meddle(_candidate) -> None:
        config = repository / NAME / "config.pbtxt"
        config.write_text(config.read_text() + "# by hand\n")

    with pytest.raises(ConflictError, match="changed by another hand"):
        publish(candidates(2), repository, trial=meddle)


def test_the_root_of_a_file_system_is_refused(candidates):
    with pytest.raises(InputError, match="root of a file system"):
        publish(candidates(1), "/")


def test_a_mount_point_is_refused(candidates):
    if not Path("/dev/shm").is_mount():
        pytest.skip("/dev/shm is no file system of its own here")
    with pytest.raises(InputError, match="root of a file system"):
        publish(candidates(1), "/dev/shm")


def test_a_file_is_refused(tmp_path, candidates):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="no folder"):
        publish(candidates(1), tmp_path / "file")


def test_an_address_without_meaning_is_refused(candidates):
    with pytest.raises(InputError, match="nothing can be published there"):
        publish(candidates(1), "ftp://host/models")


def test_a_candidate_that_changes_under_the_publishers_hands_is_refused(repository, candidates):
    candidate = candidates(1)
    (candidate.version_folder / "parts.json").write_text("{}")
    with pytest.raises(GateError, match=r"changed while it was read; got marked/1/parts\.json was changed"):
        publish(candidate, repository)
    assert not repository.exists()


def test_a_failed_trial_sets_the_candidate_aside_and_says_why(repository, candidates):
    publish(candidates(1), repository)
    before = sorted(repository.rglob("*"))

    def fail(_candidate) -> None:
        raise GateError("this model does not load", where="marked_fp32", got="no such file")

    with pytest.raises(GateError, match="failed its trial: this model does not load; got no such file") as refusal:
        publish(candidates(2), repository, trial=fail)
    assert sorted(repository.rglob("*")) == before
    (aside,) = (repository.parent / f".{repository.name}.tritonkit" / "quarantine").iterdir()
    assert str(aside) in str(refusal.value)
    assert json.loads((aside / "reason.json").read_text())["got"] == "no such file"
    assert check_candidate(aside / "repository").sha256 == candidates(2).sha256


def test_what_was_tried_once_is_not_tried_again_to_serve_it_again(repository, candidates):
    tried = []
    for mark in (1, 2, 1):
        publish(candidates(mark), repository, trial=lambda candidate: tried.append(candidate.sha256))
    assert tried == [candidates(1).sha256, candidates(2).sha256]
