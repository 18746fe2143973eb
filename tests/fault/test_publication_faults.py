"""What can go wrong on the way into a repository, by the front door: each is refused, says why, and changes nothing."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import onnx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from onnx import TensorProto

from tests.candidates import NAME, make_candidate, network, seal_again
from tritonkit.commands.front_door import main
from tritonkit.repository.layout import served_version
from tritonkit.repository.publish import check_candidate, publish
from tritonkit.repository.verify import verify_repository
from tritonkit.spec.errors import ConflictError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path):
    """A repository that serves the candidate with mark 1."""
    repository = tmp_path / "volume" / "model_repository"
    publish(check_candidate(make_candidate(tmp_path / "candidate_1", 1)), repository)
    return repository


@pytest.fixture
def candidate(tmp_path):
    return make_candidate(tmp_path / "candidate_2", 2)


@pytest.fixture
def refused(repository, capsys):
    """Publishes by the command; asserts that it refuses and changes nothing, and returns what it said."""

    def publish_and_read(candidate, *options, status=1):
        before = _snapshot(repository)
        assert main(["publish", str(candidate), "--to", str(repository), "--no-trial", *options]) == status
        assert _snapshot(repository) == before
        verify_repository(repository)
        said = capsys.readouterr().err
        assert said.count("\n") == 1, said
        return said

    return publish_and_read


def _snapshot(folder):
    return {path: path.stat().st_mtime_ns for path in (folder, *folder.rglob("*"))}


def _part(candidate, role):
    return next(candidate.glob(f"{NAME}_{role}_*"))


def _publish_elsewhere(candidate, repository, **options):
    command = [sys.executable, "-m", "tritonkit", "publish", str(candidate), "--to", str(repository)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*command, "--no-trial"], capture_output=True, text=True, timeout=300, check=False, env=environment, **options
    )


def test_a_full_disk_while_staging_is_a_typed_error_and_leaves_no_new_path(repository, candidate):
    before = _snapshot(repository)
    largest = max(path.stat().st_size for path in candidate.rglob("*"))

    def no_room() -> None:
        # A write beyond this size fails as one on a full disk does; Python ignores the signal that comes with it.
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest - 1, largest - 1))

    done = _publish_elsewhere(candidate, repository, preexec_fn=no_room)
    assert done.returncode == 3, done.stderr
    assert "the repository cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert _snapshot(repository) == before
    assert not (repository.parent / f".{repository.name}.tritonkit" / "staging").exists()
    assert _publish_elsewhere(candidate, repository).returncode == 0


@pytest.mark.parametrize("mount", ["size=64k", "ro"])
def test_a_small_or_read_only_volume_is_a_typed_error_and_leaves_no_new_path(mount, candidate, tmp_path):
    volume = tmp_path / "other_volume"
    volume.mkdir()
    script = (
        f"mount -t tmpfs -o {mount} none {volume} && {sys.executable} -m tritonkit publish {candidate} "
        f"--to {volume}/model_repository --no-trial; echo status $?; find {volume} -mindepth 1"
    )
    enter = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*enter, f"mount -t tmpfs none {volume}"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let a test mount a volume of its own")
    done = subprocess.run(
        [*enter, script],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert "status 3" in done.stdout, done.stdout + done.stderr
    assert "the repository cannot be written" in done.stderr
    left = [line for line in done.stdout.splitlines() if line.startswith(str(volume))]
    assert not [path for path in left if "/model_repository" in path and "/.model_repository" not in path], left


@pytest.mark.parametrize(
    "damage", ["truncated", "empty", "one bit flipped", "external data missing", "external data hard-linked"]
)
def test_a_damaged_model_file_is_refused_by_name(damage, candidate, refused, tmp_path):
    file = _part(candidate, "fp32") / "1" / "model.onnx"
    data = file.read_bytes()
    if damage == "truncated":
        file.write_bytes(data[:-20])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "one bit flipped":
        file.write_bytes(data[:-30] + bytes([data[-30] ^ 1]) + data[-29:])
    else:
        weights = _move_weights_out(file)
        seal_again(candidate)
        check_candidate(candidate)
        if damage == "external data missing":
            weights.unlink()
        else:
            os.link(weights, tmp_path / "somebody_elses_file")
        file = weights
    said = refused(candidate, status=2 if "linked" in damage else 1)
    assert f"{file.parent.parent.name}/1/{file.name}" in said


def test_names_that_harm_a_server_never_enter_a_repository(candidate, refused):
    part = _part(candidate, "fp32")
    for name in ("2.tmp", "01", "-1", "99999999999999999999"):
        (part / name).mkdir()
        seal_again(candidate)
        assert name in refused(candidate)
        (part / name).rmdir()
    (candidate / "lost+found").mkdir()
    seal_again(candidate)
    assert "lost+found" in refused(candidate)
    (candidate / "lost+found").rmdir()
    seal_again(candidate, name="../x")
    assert "../x" in refused(candidate, status=2)


def test_a_used_number_never_gets_other_content(repository, candidate, tmp_path):
    assert main(["publish", str(candidate), "--to", str(repository), "--no-trial"]) == 0
    first, second = (_snapshot(repository / NAME / number) for number in ("1", "2"))
    assert main(["rollback", NAME, "--in", str(repository)]) == 0
    third = make_candidate(tmp_path / "candidate_3", 3)
    assert main(["publish", str(third), "--to", str(repository), "--no-trial"]) == 0
    assert served_version(repository, NAME) == 3
    assert (_snapshot(repository / NAME / "1"), _snapshot(repository / NAME / "2")) == (first, second)


def test_of_two_publishers_one_wins_and_the_other_is_told(repository, candidate, tmp_path):
    """The second begins while the first is at its trial, and the first goes on undisturbed."""
    third = make_candidate(tmp_path / "candidate_3", 3)
    begun, over = threading.Event(), threading.Event()

    def long_trial(_candidate) -> None:
        begun.set()
        assert over.wait(60)

    changes = []
    first = threading.Thread(
        target=lambda: changes.append(publish(check_candidate(candidate), repository, trial=long_trial))
    )
    first.start()
    assert begun.wait(60)
    second = _publish_elsewhere(third, repository)
    over.set()
    first.join(60)
    assert second.returncode == ConflictError.exit_code, second.stderr
    assert "another publisher is at work" in second.stderr
    assert [change.version for change in changes] == [2]
    assert _publish_elsewhere(third, repository).returncode == 0
    assert served_version(repository, NAME) == 3


@pytest.mark.parametrize("fault", ["step missing", "dims differ"])
def test_an_ensemble_that_does_not_hang_together_is_refused(fault, refused, tmp_path):
    served = network(2, classes=5) if fault == "dims differ" else None
    candidate = make_candidate(tmp_path / "odd", 2, served=served)
    if fault == "step missing":
        config = candidate / NAME / "config.pbtxt"
        config.write_text(config.read_text().replace(_part(candidate, "postprocess").name, f"{NAME}_nowhere_abcdef"))
        seal_again(candidate)
    assert "this model will not load" in refused(candidate)


@pytest.mark.parametrize(
    "fault", ["byte flipped", "file added", "empty version folder added", "symbolic link", "wrong key", "no signature"]
)
def test_what_was_changed_after_it_was_signed_is_refused(fault, candidate, refused, tmp_path):
    ours, theirs = _key(tmp_path / "ours"), _key(tmp_path / "theirs")
    signer = theirs if fault == "wrong key" else ours
    if fault != "no signature":
        assert main(["sign", str(candidate), "--key", f"{signer}.pem"]) == 0
    part = _part(candidate, "fp32")
    file = part / "1" / "model.onnx"
    if fault == "byte flipped":
        file.write_bytes(file.read_bytes()[:-1] + b"\x00\x01")
    elif fault == "file added":
        (part / "1" / "more.bin").write_bytes(b"")
    elif fault == "empty version folder added":
        (part / "2").mkdir()
    elif fault == "symbolic link":
        shutil.copyfile(file, tmp_path / "copy.onnx")
        file.unlink()
        file.symlink_to(tmp_path / "copy.onnx")
    refused(candidate, "--public-key", f"{ours}.pub", status=2 if fault == "symbolic link" else 1)
    if fault not in {"wrong key", "no signature", "symbolic link"}:
        # Whoever also forges the manifest meets the signature.
        if fault == "empty version folder added":
            (part / "2").rename(part / "configs")
        if fault == "byte flipped":
            file.write_bytes(network(9))
        seal_again(candidate)
        assert "signature is not of this manifest" in refused(candidate, "--public-key", f"{ours}.pub")


def _key(path):
    key = ec.generate_private_key(ec.SECP256R1())
    path.with_suffix(".pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    path.with_suffix(".pub").write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return path


def _move_weights_out(file):
    """Puts the weights of the model in `file` into `weights.bin` beside it, and returns that file."""
    model = onnx.load_model(file)
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == "weights")
    data = weights.raw_data
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", str(len(data)))):
        weights.external_data.add(key=key, value=value)
    file.write_bytes(model.SerializeToString())
    file.with_name("weights.bin").write_bytes(data)
    return file.with_name("weights.bin")
