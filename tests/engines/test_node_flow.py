"""The node's command from GPU to laid repository, with stand-ins for the two programs that only a GPU node has.

`nvidia-smi` and `trtexec` here are scripts that answer in those programs' own format. This holds the kit's side: what
it asks them, what it makes of their answers and errors. Engines of a real TensorRT are built by `tests/gpu`.
"""

import json
import os
import sys

import pytest

from builder.engines.__main__ import main
from builder.engines.backend_choice import choose_backend
from tests.engines.small_graphs import conv
from tests.engines.test_node_command import CONFIG
from tritonkit.repository.digests import read_tree
from tritonkit.repository.lint import lint_repository
from tritonkit.spec.ngc import DEFAULT_RELEASE, release

NVIDIA_SMI = """#!/bin/sh
echo "GPU-aaaa, NVIDIA A10G, 8.6, 580.95.05"
echo "GPU-bbbb, NVIDIA L4, 8.9, 580.95.05"
"""
TRTEXEC = """#!/bin/sh
echo "&&&& RUNNING TensorRT.trtexec [TensorRT v101401] [b48] # trtexec $*"
[ "$1" = --help ] && exit 0
echo "$CUDA_VISIBLE_DEVICES $*" >> "$ASKED"
if [ -n "$REFUSE" ]; then
    echo "[11/24/2026-05:00:00] [E] Error[10]: Could not find any implementation for node convolution."
    exit 1
fi
for word in "$@"; do
    case $word in
        --saveEngine=*) printf "ftrt $CUDA_VISIBLE_DEVICES" > "${word#*=}" ;;
        --timingCacheFile=*) printf "%smeasured" "$(cat "${word#*=}" 2>/dev/null)" > "${word#*=}" ;;
    esac
done
"""


@pytest.fixture
def node(tmp_path, monkeypatch, capsys):
    """A repository and a node: arguments -> exit code and result."""
    programs, repository = tmp_path / "bin", tmp_path / "repository"
    programs.mkdir()
    for name, text in (("nvidia-smi", NVIDIA_SMI), ("trtexec", TRTEXEC)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    # A TensorRT that is installed would be taken before trtexec.
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    (repository / "toy" / "1").mkdir(parents=True)
    (repository / "toy" / "config.pbtxt").write_text(CONFIG.format(batch=8))
    conv(repository / "toy" / "1" / "model.onnx")

    def run(*arguments, version="10.14.1.48"):
        flags = ["--out", str(tmp_path / "cache"), "--serving-tensorrt", version]
        code = main([str(repository), *flags, *arguments])
        return code, json.loads(capsys.readouterr().out)

    return run


def test_each_kind_of_gpu_gets_its_engine_and_the_profile_names_both(node, tmp_path):
    served = tmp_path / "served"
    before = read_tree(tmp_path / "repository")
    code, result = node("--serve", str(served))
    assert (code, result["profile"], result["serve"]) == (0, "sm86_sm89", str(served))
    assert [one["gpu"] for one in result["engines"]] == ["NVIDIA A10G", "NVIDIA L4"]
    assert [line.split()[0] for line in (tmp_path / "asked").read_text().splitlines()] == ["GPU-aaaa", "GPU-bbbb"]
    for capability, uuid in (("8.6", "GPU-aaaa"), ("8.9", "GPU-bbbb")):
        choice = choose_backend(served / "toy", 1, "sm86_sm89", capability)
        assert (choice.backend, choice.problem) == ("tensorrt", None)
        assert (served / "toy" / "1" / choice.file).read_text() == f"ftrt {uuid}"
    assert choose_backend(served / "toy", 1, None, "8.6").backend == "onnxruntime"
    report = lint_repository(served, release(DEFAULT_RELEASE))
    assert [verdict.loads for verdict in report.models] == [True]
    assert read_tree(tmp_path / "repository") == before


def test_a_second_run_builds_nothing_and_says_what_was_not_proven(node, tmp_path):
    node()
    asked = (tmp_path / "asked").read_text()
    code, result = node("--no-build")
    assert (code, [one["cached"] for one in result["engines"]]) == (0, [True, True])
    assert (tmp_path / "asked").read_text() == asked
    assert {(one["parity"], one["parity_says"]) for one in result["engines"]} == {
        ("not run", "trtexec alone is here, and an engine is asked through TensorRT's Python module")
    }


def test_the_next_build_starts_from_what_was_measured(node, tmp_path):
    node()
    node("--level", "4")
    timing = {file.read_bytes()[32:] for file in (tmp_path / "cache" / "timing").iterdir()}
    assert timing == {b"measuredmeasured"}


def test_another_version_than_the_one_that_serves_is_refused_before_anything_is_built(node, tmp_path):
    code, result = node(version="10.14.1.47")
    assert (code, result["error"]) == (4, "ConflictError")
    assert not (tmp_path / "asked").exists()


def test_what_trtexec_says_is_told_with_node_and_advice(node, monkeypatch, tmp_path):
    monkeypatch.setenv("REFUSE", "1")
    code, result = node("--serve", str(tmp_path / "served"))
    assert (code, result["error"]) == (1, "GateError")
    assert result["got"].startswith("convolution (Conv): ")
    assert "workspace" in result["hint"]
    assert not (tmp_path / "served").exists()
