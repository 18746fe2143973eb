"""The table of rules: each has an identifier, a source and a sentence, and catches what breaks it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tritonkit.repository.lint import RULES, lint_repository
from tritonkit.spec.ngc import release

sys.path.append(str(Path(__file__).parents[2] / "cases"))
from lint_breaches import BREACHES, write_breach

DOCUMENT = Path(__file__).parents[3] / "docs" / "lint.md"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_rule_catches_what_breaks_it(rule, tmp_path):
    breach = BREACHES[rule.id]
    write_breach(breach, tmp_path)
    report = lint_repository(tmp_path, release(breach.release), gpus=breach.gpus, auto_complete=breach.auto_complete)
    found = [(model, problem) for model in report.models for problem in model.problems if problem.rule == rule.id]
    assert found
    for model, problem in found:
        assert problem.severity == rule.severity
        assert problem.cause
        assert problem.fix
        assert problem.file.startswith(model.name) or problem.file == "m.bin"
        assert "\n" not in problem.cause + problem.fix
        assert model.loads == all(other.severity == "warning" for other in model.problems)


def test_identifiers_are_unique_and_readable():
    ids = [rule.id for rule in RULES]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in ids)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_rule_has_a_source_and_says_what_it_is(rule):
    assert rule.source
    assert rule.check.__doc__ is not None
    assert rule.check.__doc__.splitlines()[0].endswith(".")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_can_be_left_out(rule, tmp_path):
    breach = BREACHES[rule.id]
    write_breach(breach, tmp_path)
    report = lint_repository(
        tmp_path,
        release(breach.release),
        gpus=breach.gpus,
        auto_complete=breach.auto_complete,
        ignore=[rule.id],
    )
    assert not any(problem.rule == rule.id for model in report.models for problem in model.problems)


def test_the_document_lists_every_rule_as_it_is():
    rows = re.findall(
        r"^\| `([a-z0-9-]+)` \| (error|warning) \| (.+?) \| (.+?) \|$", DOCUMENT.read_text(), re.MULTILINE
    )
    sentences = {rule.id: " ".join((rule.check.__doc__ or "").split("\n\n")[0].split()) for rule in RULES}
    assert rows == [(rule.id, rule.severity, sentences[rule.id], rule.source) for rule in RULES]
