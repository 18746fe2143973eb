"""Applies the table of rules to a repository."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tritonkit.repository.lint.findings import Target
from tritonkit.repository.lint.reading import read_repository
from tritonkit.repository.lint.rules import RULES
from tritonkit.spec.errors import InputError
from tritonkit.spec.lint_report import LintReport, ModelVerdict, Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tritonkit.repository.lint.findings import ModelFacts, Repository, Rule
    from tritonkit.spec.ngc import Release


def lint_repository(
    path: Path,
    release: Release,
    *,
    gpus: bool | None = None,
    auto_complete: bool = True,
    ignore: Collection[str] = (),
) -> LintReport:
    """Says, without a server, which models of a repository a server will load.

    Args:
        path: the model repository. Nothing in it is executed or changed.
        release: the server's NGC release.
        gpus: whether the server's host has GPUs; `None` looks at this host.
        auto_complete: whether the server completes configurations, as it does by default.
        ignore: identifiers of rules to leave out.

    Raises:
        InputError: there is no such directory, it is that of one model, or there is no such rule.
    """
    rules = _without(ignore)
    if not path.is_dir():
        raise InputError("there is no such model repository", where=path, hint="give the directory of the models")
    if (path / "config.pbtxt").is_file():
        raise InputError("this is the directory of one model", where=path, hint=f"lint the repository, {path.parent}")
    target = Target(release=release, gpus=_host_has_gpus() if gpus is None else gpus, auto_complete=auto_complete)
    repository = read_repository(path, target)
    verdicts: dict[str, ModelVerdict] = {}
    for model in _callees_first(repository):
        verdict = _judge(model, rules, replace(repository, failing=_reasons(verdicts.values())))
        verdicts[model.name] = verdict
    return LintReport(models=tuple(verdicts[name] for name in repository.models))


def _without(ignore: Collection[str]) -> tuple[Rule, ...]:
    known = [rule.id for rule in RULES]
    for name in ignore:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise InputError(
                "there is no such rule",
                got=name,
                hint=f"did you mean {near[0]}?" if near else "docs/lint.md lists them",
            )
    return tuple(rule for rule in RULES if rule.id not in ignore)


def _judge(model: ModelFacts, rules: tuple[Rule, ...], repository: Repository) -> ModelVerdict:
    problems = tuple(
        Problem(
            rule=rule.id,
            severity=finding.severity or rule.severity,
            file=model.config_file if finding.file is None else finding.file,
            key=finding.key,
            cause=finding.cause,
            fix=finding.fix,
        )
        for rule in rules
        if model.text_error is None or not rule.needs_config
        for finding in rule.check(model, repository)
    )
    return ModelVerdict(
        name=model.name, loads=all(problem.severity != "error" for problem in problems), problems=_distinct(problems)
    )


def _distinct(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Without repetitions: several versions of a model may break the same rule in the same way."""
    return tuple(dict.fromkeys(problems))


def _reasons(verdicts: Iterable[ModelVerdict]) -> dict[str, str]:
    """The first error of each model that does not load."""
    return {
        verdict.name: next(problem.cause for problem in verdict.problems if problem.severity == "error")
        for verdict in verdicts
        if not verdict.loads
    }


def _callees_first(repository: Repository) -> list[ModelFacts]:
    """The models, each after those that it calls; where they call in a circle, in some order."""
    ordered: dict[str, ModelFacts] = {}

    def visit(name: str, callers: frozenset[str]) -> None:
        if name in ordered or name in callers or name not in repository.models:
            return
        for step in repository.models[name].config.ensemble_scheduling.step:
            visit(step.model_name, callers | {name})
        ordered[name] = repository.models[name]

    for name in repository.models:
        visit(name, frozenset())
    return list(ordered.values())


def _host_has_gpus() -> bool:
    """Whether NVIDIA's driver offers this host at least one GPU."""
    return any(Path("/dev").glob("nvidia[0-9]*"))
