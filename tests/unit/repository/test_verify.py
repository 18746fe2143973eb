"""A repository is what was proven, bit for bit, or it is refused; a copy is taken by digest and verified."""

from __future__ import annotations

import argparse
import shutil

import pytest

from tests.helm.repositories import write_candidate
from tritonkit.commands import verify as command
from tritonkit.repository.config import read_config, write_config
from tritonkit.repository.digests import file_digest
from tritonkit.repository.verify import copy_verified, verify
from tritonkit.spec.errors import GateError, InputError, KitError


@pytest.fixture
def repository(tmp_path):
    return write_candidate(tmp_path / "repository")


def _publish_again(repository):
    """What publication makes of a second version: its number in a configuration beside it, and the same parts."""
    model = repository / "toy"
    shutil.copytree(model / "1", model / "7")
    config = read_config(model / "config.pbtxt")
    config.version_policy.specific.versions[:] = [7]
    (model / "7" / "config.pbtxt").write_text(write_config(config))
    shutil.copyfile(model / "7" / "config.pbtxt", model / "config.pbtxt")
    (model / "7" / "published.json").write_text("{}\n")


def test_a_candidate_and_its_publication_are_what_was_proven(repository):
    candidate = verify(repository, "toy")
    assert (candidate.version, candidate.files) == (1, 10)
    assert candidate.manifest_sha256 == file_digest(repository / "toy" / "1" / "manifest.json")
    _publish_again(repository)
    published = verify(repository, "toy", candidate.manifest_sha256)
    assert (published.version, published.manifest_sha256) == (7, candidate.manifest_sha256)


CHANGES = {
    "a flipped byte": lambda r: (r / "toy_fp32_1a2b3c/1/model.onnx").write_bytes(b"w" * 100 + b"x"),
    "an added file": lambda r: (r / "toy_fp32_1a2b3c/1/extra.bin").write_bytes(b""),
    "an empty version folder": lambda r: (r / "toy_fp32_1a2b3c/2").mkdir(),
    "a missing file": lambda r: (r / "toy_preprocess_1a2b3c/1/model.py").unlink(),
    "a missing part": lambda r: shutil.rmtree(r / "toy_postprocess_1a2b3c"),
    "another step": lambda r: (r / "toy_preprocess_1a2b3c/1/model.py").write_text("import os\n"),
    "another ensemble": lambda r: (r / "toy/config.pbtxt").write_text(
        'name: "toy"\nplatform: "ensemble"\nmax_batch_size: 9\nversion_policy { specific { versions: [1] } }\n'
    ),
    "a link": lambda r: (r / "toy_fp32_1a2b3c/1/link").symlink_to("model.onnx"),
    "another proof": lambda r: (r / "toy/1/parity.json").write_text("{}\n"),
    "an edited manifest": lambda r: (r / "toy/1/manifest.json").write_text(
        (r / "toy/1/manifest.json").read_text().replace("fp32", "fp64", 1)
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_any_change_is_refused_in_place_and_in_a_copy(repository, tmp_path, what):
    digest = verify(repository, "toy").manifest_sha256
    CHANGES[what](repository)
    with pytest.raises(KitError):
        verify(repository, "toy", digest)
    with pytest.raises(KitError):
        copy_verified(repository, "toy", tmp_path / "copy", digest)


def test_a_copy_is_the_version_asked_for_whichever_is_served(repository, tmp_path):
    first = verify(repository, "toy").manifest_sha256
    other = write_candidate(tmp_path / "other", weights=b"v" * 100)
    shutil.copytree(other / "toy" / "1", repository / "toy" / "8")
    config = read_config(repository / "toy" / "config.pbtxt")
    shutil.copyfile(repository / "toy" / "config.pbtxt", repository / "toy" / "1" / "config.pbtxt")
    config.version_policy.specific.versions[:] = [8]
    (repository / "toy" / "config.pbtxt").write_text(write_config(config))
    with pytest.raises(GateError, match="not the one asked for"):
        verify(repository, "toy", first)
    copy = tmp_path / "copy"
    assert copy_verified(repository, "toy", copy, first).version == 1
    assert {path.name for path in copy.iterdir()} == {
        "toy",
        *(f"toy_{r}_1a2b3c" for r in ("preprocess", "fp32", "postprocess")),
    }
    assert [path.name for path in (copy / "toy").iterdir() if path.is_dir()] == ["1"]
    # A pod whose container starts again copies over what is there.
    assert copy_verified(repository, "toy", copy, first).version == 1


def test_a_digest_that_is_not_there_is_named(repository, tmp_path):
    with pytest.raises(InputError, match="no version of this model has that manifest"):
        copy_verified(repository, "toy", tmp_path / "copy", "f" * 64)


def test_a_part_outside_the_repository_is_not_copied(repository, tmp_path):
    manifest = repository / "toy" / "1" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("toy_fp32_1a2b3c", "../toy_fp32_1a2b3c"))
    with pytest.raises(InputError, match="no readable manifest"):
        copy_verified(repository, "toy", tmp_path / "copy", file_digest(manifest))


def test_the_command_compares_or_copies(repository, tmp_path, capsys):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    parser.add_argument("--json", action="store_true")
    digest = verify(repository, "toy").manifest_sha256
    args = parser.parse_args([str(repository), "--model", f"toy={digest}", "--copy-to", str(tmp_path / "copy")])
    assert command.run(args) == 0
    assert "toy version 1: 10 files are what was proven" in capsys.readouterr().out
    with pytest.raises(InputError, match="names no model"):
        command.run(parser.parse_args([str(repository), "--model", "toy=sha256:12"]))
