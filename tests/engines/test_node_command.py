"""`python -m builder.engines`: exit codes and the one JSON line, on a machine without a GPU."""

import json
import shutil

import pytest

from builder.engines.__main__ import main
from tests.engines.small_graphs import conv, relu
from tritonkit.repository.digests import read_tree

CONFIG = """
name: "toy"
backend: "onnxruntime"
max_batch_size: {batch}
input [ {{ name: "image", data_type: TYPE_FP32, dims: [3, 8, 8] }} ]
output [ {{ name: "y", data_type: TYPE_FP32, dims: [3, 8, 8] }} ]
"""
without_gpu = pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="this machine has a GPU's driver")


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    (folder / "toy" / "1").mkdir(parents=True)
    (folder / "toy" / "config.pbtxt").write_text(CONFIG.format(batch=8))
    conv(folder / "toy" / "1" / "model.onnx")
    return folder


@pytest.fixture
def ask(repository, tmp_path, capsys):
    """Arguments -> exit code, the result, what was said."""

    def run(*arguments, cache="cache"):
        code = main([str(repository), "--out", str(tmp_path / cache), *arguments])
        out, said = capsys.readouterr()
        (line,) = out.splitlines()
        return code, json.loads(line), said

    return run


def test_a_build_check_ahead_of_time(rtx, repository, ask, tmp_path):
    before = read_tree(repository)
    code, result, said = ask("--ahead-of-time", "8.6", "--ahead-of-time", "12.0", "--serve", str(tmp_path / "served"))
    assert (code, result["passed"]) == (0, True)
    assert [(one["model"], one["compute_capability"], one["cached"]) for one in result["engines"]] == [
        ("toy", "8.6", False),
        ("toy", "12.0", False),
    ]
    assert {one["parity"] for one in result["engines"]} == {"not run"}
    assert "parity on the GPU did not run: the engine is for a GPU that is not here" in said
    # Triton does not load these engines, so no repository is laid for it.
    assert result["serve"] is None
    assert not (tmp_path / "served").exists()
    assert not list(tmp_path.rglob("*.plan"))
    assert read_tree(repository) == before
    code, result, _ = ask("--ahead-of-time", "8.6")
    assert (code, result["engines"][0]["cached"]) == (0, True)


def test_parity_that_is_required_and_cannot_run(rtx, ask):
    code, result, _ = ask("--ahead-of-time", "8.6", "--require-parity")
    assert (code, result["passed"]) == (3, False)
    assert "parity is required and did not run" in result["what"]


def test_a_missing_engine_that_may_not_be_built(rtx, ask):
    ask("--ahead-of-time", "8.6")
    code, result, _ = ask("--ahead-of-time", "8.6", "--level", "5", "--no-build")
    assert (code, result["error"]) == (1, "GateError")
    assert result["got"] == "the nearest engine is for optimization_level 3 instead of 5"


def test_a_graph_that_cannot_become_an_engine(rtx, repository, ask):
    relu(repository / "toy" / "1" / "model.onnx", data_type=11)
    code, result, _ = ask("--ahead-of-time", "8.6")
    assert (code, result["expected"]) == (1, "DOUBLE")


def test_engines_are_pruned_afterwards(rtx, ask):
    ask("--ahead-of-time", "8.6")
    code, result, _ = ask("--ahead-of-time", "8.6", "--prune-above-gb", "0")
    assert (code, result["removed"]) == (0, 1)


@without_gpu
def test_without_a_gpu_it_says_so(ask):
    code, result, said = ask()
    assert (code, result["error"]) == (3, "UnavailableError")
    assert "there is no GPU on this machine" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--ahead-of-time", "sm86"), "no compute capability"),
        (("--level", "6"), "--level"),
        (("--workspace-mib", "0"), "--workspace-mib"),
        (("--free", "height=1,2"), "--free"),
        (("--ahead-of-time", "8.6", "--free", "height=1,2,3"), "a dimension that is not there"),
        (("--ahead-of-time", "8.6", "--model", "other"), "no such ONNX model"),
    ],
)
def test_wrong_arguments(rtx, ask, arguments, says):
    code, result, _ = ask(*arguments)
    assert code == 2
    assert says in result["what"]


def test_a_repository_that_is_not_there(ask, repository):
    shutil.rmtree(repository)
    code, result, _ = ask()
    assert (code, result["what"]) == (2, "there is no such repository")


def test_free_dimensions_and_no_batching(rtx, repository, ask):
    (repository / "toy" / "config.pbtxt").write_text(CONFIG.format(batch=0))
    relu(repository / "toy" / "1" / "model.onnx", dims=("n", 3, 8, "width"))
    code, result, _ = ask("--ahead-of-time", "8.6", "--free", "n=1,2,4", "--free", "image.3=8,16,32")
    assert code == 0, result
