"""Says, without a server, whether each model of a repository will load, and why not."""

from tritonkit.repository.lint.findings import Finding, Rule
from tritonkit.repository.lint.rules import RULES
from tritonkit.repository.lint.verdicts import lint_repository

__all__ = ["RULES", "Finding", "Rule", "lint_repository"]
