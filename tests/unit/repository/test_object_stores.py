"""Publication into an object store: a real S3 server, whose writes are conditional as Amazon's are."""

from __future__ import annotations

import itertools

import pytest

from tests.candidates import NAME, make_candidate
from tests.object_store_server import CREDENTIALS, object_store_server
from tritonkit.commands.front_door import main
from tritonkit.repository.layout import MANIFEST
from tritonkit.repository.ledger import read_ledger, read_served, used_numbers
from tritonkit.repository.object_store import ObjectStore
from tritonkit.repository.prune import prune
from tritonkit.repository.publish import Change, check_candidate, publish, rollback
from tritonkit.repository.stores import open_store
from tritonkit.repository.verify import verify_repository
from tritonkit.spec.errors import ConflictError, GateError, InputError, UnavailableError

_PREFIXES = itertools.count()


@pytest.fixture(scope="module")
def bucket():
    with object_store_server() as address:
        yield address


@pytest.fixture
def repository(bucket, monkeypatch):
    """The address of a repository that nobody has used."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return f"{bucket}/team/models_{next(_PREFIXES)}"


@pytest.fixture
def candidates(tmp_path):
    return [check_candidate(make_candidate(tmp_path / str(mark), mark)) for mark in (1, 2)]


def _objects(address):
    """Every object below the address, as the order of their paths."""
    store = open_store(address)

    def below(path):
        listing = store.list(path)
        files = [f"{path}/{file}".lstrip("/") for file in listing.files]
        return files + [name for folder in listing.folders for name in below(f"{path}/{folder}".lstrip("/"))]

    return sorted(below(""))


def test_versions_follow_each_other_and_roll_back(repository, candidates):
    assert publish(candidates[0], repository) == Change(name=NAME, version=1, before=None)
    assert publish(candidates[1], repository) == Change(name=NAME, version=2, before=1)
    assert rollback(repository, NAME) == Change(name=NAME, version=1, before=2)
    assert not publish(candidates[0], repository).changed
    assert publish(candidates[1], repository) == Change(name=NAME, version=2, before=1)
    assert [model.version for model in verify_repository(repository)] == [1, 2]


def test_only_one_object_ever_changes(repository, candidates):
    publish(candidates[0], repository)
    store = open_store(repository)
    before = {path: store.read(path) for path in _objects(repository)}
    publish(candidates[1], repository)
    changed = [path for path, stored in before.items() if store.read(path) != stored]
    assert changed == [f"{NAME}/config.pbtxt"]


def test_no_folder_is_empty_for_none_would_be_kept(repository, candidates):
    publish(candidates[0], repository)
    folders = {path.rpartition("/")[0] for path in _objects(repository)}
    tree = candidates[0].manifest.tree
    assert {folder for folder in tree.directories if folder != NAME} <= {
        parent for folder in folders for parent in (folder, folder.rpartition("/")[0])
    }


def test_a_killed_publication_is_completed_under_its_number(repository, candidates, monkeypatch):
    """Whatever number of objects a publisher has written before it is killed."""
    total = len(candidates[1].manifest.tree.files) + 2
    real = ObjectStore._create
    for survived in range(0, total, 4):
        address = f"{repository}_{survived}"
        publish(candidates[0], address)
        left = itertools.count()

        def create(self, file, path, left=left, survived=survived):
            if next(left) == survived:
                raise KeyboardInterrupt
            real(self, file, path)

        with monkeypatch.context() as patch:
            patch.setattr(ObjectStore, "_create", create)
            with pytest.raises(KeyboardInterrupt):
                publish(candidates[1], address)
        assert read_served(open_store(address), NAME).version == 1
        verify_repository(address)
        assert publish(candidates[1], address) == Change(name=NAME, version=2, before=1)
        verify_repository(address)


def test_a_number_that_another_publisher_takes_at_this_moment_is_a_conflict(repository, candidates, tmp_path):
    publish(candidates[0], repository)
    third = check_candidate(make_candidate(tmp_path / "third", 3))
    raced = []

    def overtake(_candidate) -> None:
        raced.append(publish(third, repository))

    with pytest.raises(ConflictError) as refusal:
        publish(candidates[1], repository, trial=overtake)
    assert refusal.value.exit_code == 4
    assert raced == [Change(name=NAME, version=2, before=1)]
    assert read_served(open_store(repository), NAME).version == 2
    assert publish(candidates[1], repository) == Change(name=NAME, version=3, before=2)


def test_two_publishers_that_write_side_by_side_take_one_number_once(repository, candidates, monkeypatch):
    """The loser comes between the winner's claim of the number and the end of its upload."""
    publish(candidates[0], repository)
    third = candidates[1]
    store = open_store(repository)
    store.replace(f"{NAME}/2/{MANIFEST}", b'{"another": "manifest"}', None)
    assert publish(third, repository) == Change(name=NAME, version=3, before=1)
    assert used_numbers(store, NAME) == [1, 2, 3]
    assert list(read_ledger(store, NAME)) == [1, 3]


def test_a_rollback_that_meets_another_publisher_is_a_conflict(repository, candidates):
    for candidate in candidates:
        publish(candidate, repository)
    store = open_store(repository)
    served = read_served(store, NAME).config
    store.replace(f"{NAME}/config.pbtxt", served.data + b"# touched\n", served)
    with pytest.raises(ConflictError, match="another publisher was first"):
        store.replace(f"{NAME}/config.pbtxt", served.data, served)


def test_a_part_that_was_changed_is_found(repository, candidates):
    for candidate in candidates:
        publish(candidate, repository)
    path = f"{candidates[0].manifest.parts[1].name}/1/model.onnx"
    store = open_store(repository)
    store.replace(path, b"other", store.read(path))
    with pytest.raises(GateError, match=r"model\.onnx was changed"):
        verify_repository(repository)
    with pytest.raises(GateError, match=r"model\.onnx was changed"):
        rollback(repository, NAME)


def test_large_files_go_in_pieces(repository, candidates, monkeypatch):
    monkeypatch.setattr("tritonkit.repository.object_store._IN_ONE_WRITE", 100)
    publish(candidates[0], repository)
    verify_repository(repository)
    assert not publish(candidates[0], repository).changed


def test_a_rejected_candidate_lies_beside_the_repository(repository, candidates):
    publish(candidates[0], repository)
    before = _objects(repository)

    def fail(_candidate) -> None:
        raise GateError("this model does not load")

    with pytest.raises(GateError, match=r"\.quarantine/marked-"):
        publish(candidates[1], repository, trial=fail)
    assert _objects(repository) == before
    assert any(path.endswith("reason.json") for path in _objects(f"{repository}.quarantine"))


def test_pruning_leaves_the_ledger(repository, candidates):
    for candidate in candidates:
        publish(candidate, repository)
    assert prune(repository, NAME, keep=1).versions == (1,)
    assert [path for path in _objects(repository) if path.startswith(f"{NAME}/1/")] == [f"{NAME}/1/published.json"]
    assert [model.version for model in verify_repository(repository)] == [2]


def test_the_commands_take_addresses(repository, candidates, capsys):
    assert main(["publish", str(candidates[0].repository), "--to", repository, "--no-trial"]) == 0
    assert main(["publish", str(candidates[1].repository), "--to", repository, "--no-trial"]) == 0
    assert main(["rollback", NAME, "--in", repository]) == 0
    assert main(["prune", NAME, "--in", repository]) == 0
    assert main(["verify", repository]) == 0
    assert "version 1 again (was 2)" in capsys.readouterr().out


def test_a_bucket_that_is_not_there_is_said_plainly(bucket, repository, candidates):
    with pytest.raises(UnavailableError, match="refused") as refusal:
        publish(candidates[0], bucket.replace("/models", "/nowhere/models"))
    assert refusal.value.exit_code == 3


def test_a_server_that_is_not_there_is_said_plainly(repository, candidates, monkeypatch):
    with pytest.raises(UnavailableError, match="refused"):
        publish(candidates[0], "s3://http://127.0.0.1:9/models/repository")


@pytest.mark.parametrize("address", ["s3://", "s3://bucket", "gs://https://host/bucket/prefix", "s3://http://host:1"])
def test_an_address_without_meaning_is_refused(address):
    with pytest.raises(InputError):
        ObjectStore(address)
