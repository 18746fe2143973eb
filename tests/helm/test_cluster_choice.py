"""Which cluster `make test-cluster` takes. Scripts that note how they are called stand for kind and docker."""

from __future__ import annotations

import os

import pytest

from tests.cluster import choice


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A PATH of their own, on which docker runs."""
    folder = tmp_path / "programs"
    folder.mkdir()
    _write(folder / "kind", f'echo "$@" >> {tmp_path}/calls')
    _write(folder / "docker", "exit 0")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return tmp_path


def _write(file, script):
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def _calls(programs):
    return [line.split() for line in (programs / "calls").read_text().splitlines()]


def test_a_cluster_that_is_given_comes_first_and_is_left_as_it_is(programs, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", "/somebodys/kubeconfig")
    with choice.some_cluster(programs) as cluster:
        assert os.fspath(cluster.kubeconfig) == "/somebodys/kubeconfig"
        cluster.import_archive(programs / "image.tar")
    assert not (programs / "calls").exists()


def test_kind_makes_one_where_docker_runs_and_it_goes_with_a_failing_test(programs):
    def fail():
        with choice.some_cluster(programs) as cluster:
            cluster.import_archive(programs / "image.tar")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    created, loaded, deleted = _calls(programs)
    name = created[-1]
    assert created[:4] == ["create", "cluster", "--kubeconfig", str(programs / "kubeconfig")]
    assert loaded == ["load", "image-archive", str(programs / "image.tar"), "--name", name]
    assert deleted[:2] == ["delete", "cluster"]
    assert deleted[-1] == name


@pytest.mark.parametrize("missing", ["engine", "kind", "docker"])
def test_a_node_is_built_where_kind_or_docker_is_missing(programs, missing, monkeypatch):
    if missing == "engine":
        _write(programs / "programs" / "docker", "exit 1")
    else:
        (programs / "programs" / missing).unlink()

    def built():
        raise LookupError

    monkeypatch.setattr(choice, "kubernetes_programs", built)
    with pytest.raises(LookupError), choice.some_cluster(programs):
        pass
