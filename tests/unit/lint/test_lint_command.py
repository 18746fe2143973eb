"""`tritonkit lint`: exit codes, text and JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tritonkit.commands import main
from tritonkit.repository.lint import verdicts

sys.path.append(str(Path(__file__).parents[2] / "cases"))
from onnxruntime_models import BARE, linear


def add(repository, name, config):
    (repository / name / "1").mkdir(parents=True)
    (repository / name / "config.pbtxt").write_text(config)
    (repository / name / "1" / "model.onnx").write_bytes(linear())


def test_all_load(tmp_path, capsys):
    add(tmp_path, "a", BARE)
    assert main(["lint", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "a  loads\n1 of 1 models load in Triton 26.07\n"


def test_one_line_of_cause_and_one_of_fix(tmp_path, capsys):
    add(tmp_path, "a", BARE)
    add(tmp_path, "broken", BARE.replace("[4]", "[5]"))
    assert main(["lint", str(tmp_path), "--triton", "24.10"]) == 1
    cause = "tensor 'x': the model expects shape [-1, 4] but the model configuration specifies [-1, 5] [onnx-dims]"
    assert capsys.readouterr().out.splitlines() == [
        "a       loads",
        "broken  does not load",
        "  error    broken/config.pbtxt: input[0].dims: " + cause,
        "  fix      set dims: [4]",
        "1 of 2 models load in Triton 24.10",
    ]


def test_json_is_the_demanded_form(tmp_path, capsys):
    add(tmp_path, "broken", BARE.replace('"x"', '"xx"'))
    assert main(["lint", str(tmp_path), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report == {
        "models": [
            {
                "name": "broken",
                "loads": False,
                "problems": [
                    {
                        "rule": "onnx-tensor-names",
                        "severity": "error",
                        "file": "broken/config.pbtxt",
                        "key": "input[0].name",
                        "cause": "unexpected inference input 'xx', allowed inputs are: x",
                        "fix": "did you mean 'x'?",
                    }
                ],
            }
        ]
    }


def test_a_warning_does_not_fail(tmp_path, capsys):
    add(tmp_path, "a", BARE + 'parameters { key: "intra_op_threads" value: { string_value: "1" } }\n')
    assert main(["lint", str(tmp_path)]) == 0
    assert "did you mean intra_op_thread_count?" in capsys.readouterr().out


def test_an_empty_repository_loads(tmp_path):
    assert main(["lint", str(tmp_path)]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{}/nowhere"], "there is no such model repository"),
        (["{}/a"], "this is the directory of one model"),
        (["{}/a/config.pbtxt"], "there is no such model repository"),
        (["{}", "--triton", "26.7"], "this Triton release is not known"),
        (["{}", "--ignore", "onnx-dim"], "did you mean onnx-dims?"),
    ],
)
def test_a_wrong_argument_is_exit_code_2(arguments, message, tmp_path, capsys):
    add(tmp_path, "a", BARE)
    assert main(["lint", *(argument.format(tmp_path) for argument in arguments)]) == 2
    assert message in capsys.readouterr().err


def test_a_rule_can_be_ignored(tmp_path):
    add(tmp_path, "a", BARE.replace("[4]", "[5]"))
    assert main(["lint", str(tmp_path), "--ignore", "onnx-dims"]) == 0


def test_auto_complete_can_be_off(tmp_path):
    add(tmp_path, "a", 'backend: "onnxruntime"\n')
    assert main(["lint", str(tmp_path)]) == 0
    assert main(["lint", str(tmp_path), "--no-auto-complete"]) == 1


def test_this_host_is_looked_at_for_gpus(tmp_path, monkeypatch):
    add(tmp_path, "a", BARE + "instance_group [ { kind: KIND_GPU } ]\n")
    for gpus in (True, False):
        monkeypatch.setattr(verdicts, "_host_has_gpus", lambda gpus=gpus: gpus)
        assert main(["lint", str(tmp_path)]) == (0 if gpus else 1)
    assert main(["lint", str(tmp_path), "--gpus"]) == 0
    assert main(["lint", str(tmp_path), "--no-gpus"]) == 1


def test_it_imports_neither_grpc_nor_torch_nor_onnxruntime(tmp_path):
    add(tmp_path, "a", BARE)
    program = (
        "import sys; from tritonkit.commands import main; main(['lint', sys.argv[1]]);"
        "assert not {'grpc', 'torch', 'onnxruntime', 'tritonclient.grpc'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=400, capture_output=True)
