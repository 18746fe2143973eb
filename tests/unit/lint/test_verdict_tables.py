"""Lint's verdicts on the two tables of cases, whose truth a real server gave."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tritonkit.repository.lint import lint_repository
from tritonkit.spec.ngc import release

sys.path.append(str(Path(__file__).parents[2] / "cases"))
import core_models
import onnxruntime_models


@pytest.mark.parametrize(
    "case", [*onnxruntime_models.CASES, *onnxruntime_models.ENDING_CASES], ids=lambda case: case.name
)
def test_lint_agrees_with_the_onnxruntime_backend(case, tmp_path):
    onnxruntime_models.write_case(case, tmp_path)
    report = lint_repository(tmp_path, release(case.target), gpus=False, auto_complete=case.auto_complete)
    (verdict,) = report.models
    assert verdict.loads == case.loads, verdict.problems


@pytest.mark.parametrize("case", [*core_models.CASES, *core_models.ENDING_CASES], ids=lambda case: case.name)
def test_lint_agrees_with_the_core(case, tmp_path):
    core_models.write_case(case, tmp_path)
    report = lint_repository(tmp_path, release(core_models.RELEASE), gpus=False)
    verdict = next(model for model in report.models if model.name == case.name)
    assert verdict.loads == case.loads, verdict.problems
    rules = {problem.rule for problem in verdict.problems}
    assert case.rule in rules if case.rule else not rules


def test_verdicts_do_not_depend_on_what_else_is_in_the_repository(tmp_path):
    for case in core_models.CASES:
        core_models.write_case(case, tmp_path)
    report = lint_repository(tmp_path, release(core_models.RELEASE), gpus=False)
    loads = {model.name: model.loads for model in report.models}
    assert {case.name: loads[case.name] for case in core_models.CASES} == {
        case.name: case.loads for case in core_models.CASES
    }


@pytest.mark.parametrize("auto_complete", [True, False])
def test_core_verdicts_without_auto_complete(auto_complete, tmp_path):
    """The server test loads most cases without auto-complete, so lint must agree in that mode too."""
    needs_it = ("without_config",)
    for case in core_models.CASES:
        core_models.write_case(case, tmp_path)
    report = lint_repository(tmp_path, release(core_models.RELEASE), gpus=False, auto_complete=auto_complete)
    loads = {model.name: model.loads for model in report.models}
    wrong = [case.name for case in core_models.CASES if loads[case.name] != case.loads and case.name not in needs_it]
    assert not wrong
    assert loads["without_config"] == auto_complete
