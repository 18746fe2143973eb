"""What nobody goes back to is removed; what somebody calls stays, and so do the numbers."""

from __future__ import annotations

import json

import pytest

from tests.candidates import NAME, make_candidate
from tritonkit.commands.front_door import main
from tritonkit.repository.ledger import read_ledger
from tritonkit.repository.prune import prune
from tritonkit.repository.publish import check_candidate, publish, rollback
from tritonkit.repository.stores import open_store
from tritonkit.repository.verify import verify_repository
from tritonkit.spec.errors import InputError


@pytest.fixture
def repository(tmp_path):
    """Three versions, the third served; the first two share all but the network, the third shares nothing."""
    repository = tmp_path / "model_repository"
    for mark, shared in ((1, True), (2, True), (3, False)):
        folder = make_candidate(tmp_path / f"candidate_{mark}", mark, shared=shared)
        publish(check_candidate(folder), repository)
    return repository


def _models(repository):
    return {entry.name for entry in repository.iterdir()}


def test_the_served_version_and_the_one_before_stay(repository):
    pruned = prune(repository, NAME)
    assert (pruned.kept, pruned.versions) == ((2, 3), (1,))
    assert len(pruned.parts) == 1
    assert pruned.parts[0].startswith(f"{NAME}_fp32_")
    assert not _models(repository) & set(pruned.parts)
    assert [model.version for model in verify_repository(repository)] == [2, 3]
    assert rollback(repository, NAME).version == 2


def test_what_is_kept_is_what_a_rollback_leads_to(repository, tmp_path):
    rollback(repository, NAME, 1)
    publish(check_candidate(make_candidate(tmp_path / "fourth", 4)), repository)
    assert prune(repository, NAME, keep=2).kept == (1, 4)
    assert rollback(repository, NAME).version == 1


def test_the_ledger_and_the_numbers_stay(repository, tmp_path):
    prune(repository, NAME, keep=1)
    ledger = read_ledger(open_store(repository), NAME)
    assert [line.pruned_at is not None for line in ledger.values()] == [True, True, False]
    assert [entry.name for entry in (repository / NAME / "1").iterdir()] == ["published.json"]
    with pytest.raises(InputError, match="no version before"):
        rollback(repository, NAME)
    again = tmp_path / "candidate_1" / "repository"
    assert publish(check_candidate(again), repository).version == 4


def test_pruning_twice_finds_nothing(repository):
    prune(repository, NAME, keep=1)
    again = prune(repository, NAME, keep=1)
    assert (again.versions, again.parts) == ((), ())


def test_parts_of_a_publication_that_did_not_end_go(repository, tmp_path):
    left = check_candidate(make_candidate(tmp_path / "left", 9)).manifest.parts[0].name
    (tmp_path / "left" / "repository" / left).rename(repository / left)
    assert left in prune(repository, NAME, keep=3).parts


def test_what_others_call_and_what_is_not_the_kits_stays(repository, tmp_path):
    called = check_candidate(tmp_path / "candidate_1" / "repository").manifest.parts[1].name
    (repository / "theirs").mkdir()
    (repository / "theirs" / "config.pbtxt").write_text(
        f'platform: "ensemble" ensemble_scheduling {{ step [{{ model_name: "{called}" }}] }}'
    )
    (repository / f"{NAME}_other").mkdir()
    prune(repository, NAME, keep=1)
    assert {called, "theirs", f"{NAME}_other"} <= _models(repository)


def test_another_name_with_the_same_beginning_keeps_its_parts(repository, tmp_path):
    longer = f"{NAME}_fp32_abcdef"
    publish(check_candidate(make_candidate(tmp_path / "longer", 5, name=longer)), repository)
    prune(repository, NAME, keep=1)
    assert [model.name for model in verify_repository(repository)] == [NAME, longer]


@pytest.mark.parametrize(("name", "keep"), [(NAME, 0), ("nobody", 1)])
def test_nonsense_is_refused(repository, name, keep):
    with pytest.raises(InputError):
        prune(repository, name, keep=keep)


def test_the_command_says_first_and_does_then(repository, capsys):
    before = _models(repository)
    assert main(["prune", NAME, "--in", str(repository), "--keep", "1", "--dry-run", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["kept"], said["versions"]) == ([3], [1, 2])
    assert _models(repository) == before
    assert main(["prune", NAME, "--in", str(repository), "--keep", "1"]) == 0
    assert "removed versions 1, 2 and parts" in capsys.readouterr().out
    assert _models(repository) == before - set(said["parts"])
