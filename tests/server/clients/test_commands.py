"""`tritonkit infer`, `health` and `metadata` against a live server."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tritonkit.commands import exit_codes
from tritonkit.commands.front_door import main

if TYPE_CHECKING:
    from pathlib import Path

    from tritonkit.server import TritonServer

pytestmark = pytest.mark.server


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.jpg"
    path.write_bytes(b"cat\xff\x00")
    return path


@pytest.fixture
def both(server: TritonServer) -> list[str]:
    """The arguments that name the server by its host, with both protocols."""
    ports = [url.rpartition(":")[2] for url in (server.grpc_url, server.http_url)]
    return ["127.0.0.1", "--protocol", "both", "--grpc-port", ports[0], "--http-port", ports[1]]


def test_pictures_over_both_protocols(capsys: pytest.CaptureFixture[str], both: list[str], picture: Path) -> None:
    code, out, _ = run(capsys, "infer", *both, "pictures", picture, picture)
    assert code == exit_codes.OK
    header, *rows = out.splitlines()
    assert header.split() == ["file", "protocol", "label", "score", "ms"]
    assert [row.split()[1:4] for row in rows] == [[p, "cat", "0.7500"] for p in ("grpc", "grpc", "http", "http")]
    code, out, _ = run(capsys, "infer", *both, "pictures", picture, "--top", 2)
    assert [row.split()[-2:] for row in out.splitlines() if "dog" in row] == [["dog", "0.2500"]] * 2


def test_json_out(capsys: pytest.CaptureFixture[str], server: TritonServer, picture: Path) -> None:
    code, out, _ = run(capsys, "infer", server.http_url, "pictures", picture, "--json")
    (document,) = json.loads(out)
    assert code == exit_codes.OK
    assert (document["file"], document["model"], document["attempts"]) == (str(picture), "pictures", 1)
    assert document["outputs"]["label"] == [["cat", "dog"]]
    assert document["milliseconds"] > 0


def test_a_file_that_fails_does_not_stop_the_others(
    capsys: pytest.CaptureFixture[str], server: TritonServer, picture: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"dog")
    missing = tmp_path / "missing.jpg"
    code, out, err = run(capsys, "infer", server.grpc_url, "pictures", bad, missing, picture)
    assert code == exit_codes.NO
    assert "failed: " in out.splitlines()[1]
    assert "cannot be read" in out.splitlines()[2]
    assert "cat" in out.splitlines()[3]
    assert "3/3 answers" in err


def test_arrays_json_and_standard_input(
    capsys: pytest.CaptureFixture[str], server: TritonServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "row.npy", np.arange(4, dtype=np.float32))
    np.savez(tmp_path / "row.npz", x=np.arange(4, dtype=np.float32)[np.newaxis])
    (tmp_path / "row.json").write_text('{"x": [[0, 1, 2, 3]]}')
    files = [tmp_path / f"row.{suffix}" for suffix in ("npy", "npz", "json")]
    code, out, _ = run(capsys, "infer", server.grpc_url, "echo", *files)
    assert code == exit_codes.OK
    assert [" ".join(line.split()[1:8]) for line in out.splitlines()[1:]] == ["y [1, 4]: 0, 1, 2, 3"] * 3
    for data in (files[0].read_bytes(), files[1].read_bytes(), files[2].read_bytes()):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        code, out, _ = run(capsys, "infer", server.grpc_url, "echo", "-")
        assert (code, "y [1, 4]: 0, 1, 2, 3" in out) == (exit_codes.OK, True)


def test_what_is_wrong_is_one_line(
    capsys: pytest.CaptureFixture[str], server: TritonServer, picture: Path, tmp_path: Path
) -> None:
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "broken.npy").write_bytes(b"no array")
    (tmp_path / "other.json").write_text('{"z": 1}')
    unavailable, usage = exit_codes.UNAVAILABLE, exit_codes.USAGE
    for arguments, expected, words in (
        ((server.grpc_url, "echo", picture), usage, "takes numbers"),
        ((server.grpc_url, "echo", tmp_path / "missing.npy"), usage, "No such file"),
        ((server.grpc_url, "echo", tmp_path / "list.json"), usage, "no JSON object"),
        ((server.grpc_url, "echo", tmp_path / "other.json"), usage, "no input 'z'"),
        ((server.grpc_url, "echo", tmp_path / "broken.npy"), usage, "does not hold"),
        ((server.grpc_url, "nobody", picture), usage, "not found"),
        (("grpc://127.0.0.1:9", "echo", picture), unavailable, "refused"),
        (("127.0.0.1:8001", "echo", picture), usage, "needs its protocol"),
        ((server.grpc_url, "echo", picture, "--protocol", "http"), usage, "already says"),
        ((server.grpc_url, "echo", picture, "--token-env", "NOT_SET_ANYWHERE"), usage, "NOT_SET_ANYWHERE"),
        ((server.grpc_url, "echo", picture, "--ca", tmp_path / "ca.pem"), usage, "grpcs://"),
    ):
        code, out, err = run(capsys, "infer", *arguments)
        assert (code, out) == (expected, ""), arguments
        assert words in err
        assert len(err.splitlines()) == 1


def test_health(capsys: pytest.CaptureFixture[str], both: list[str]) -> None:
    code, out, _ = run(capsys, "health", *both)
    assert code == exit_codes.OK
    assert out.count("  ready\n") == 2
    assert "echo" in out
    code, out, _ = run(capsys, "health", "http://127.0.0.1:9", "--json")
    assert code == exit_codes.NO
    assert json.loads(out) == [{"url": "http://127.0.0.1:9", "live": False, "ready": False, "models": []}]


def test_metadata(capsys: pytest.CaptureFixture[str], server: TritonServer) -> None:
    code, out, _ = run(capsys, "metadata", server.http_url)
    assert code == exit_codes.OK
    assert out.startswith("triton 2.51.0\n")
    code, out, _ = run(capsys, "metadata", server.grpc_url, "echo")
    assert "batches up to 8" in out
    assert out.splitlines()[2].split() == ["input", "x", "FP32", "[-1,", "4]"]
    code, out, _ = run(capsys, "metadata", server.grpc_url, "echo", "--json")
    assert json.loads(out)["max_batch_size"] == 8
