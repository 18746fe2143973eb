"""Evaluations with real figures of made-up answers, and their pages."""

from __future__ import annotations

import numpy as np

from tritonkit.commands.served_answers import as_png
from tritonkit.evaluation.evaluate import Answers, classification_figures, regression_figures
from tritonkit.report.evaluation_page import draw_evaluation
from tritonkit.spec.evaluation import EvaluatedData, EvaluationReport, Requirement

NAMES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def make_report(figures, **changes) -> EvaluationReport:
    fields = {
        "model": "resnet18_fashion",
        "version": "3",
        "data": EvaluatedData(
            name="Fashion-MNIST", source="recipe.yaml", samples=400, test=10_000, test_sha256="cd96" * 16
        ),
        "figures": figures,
        "server": "triton 2.51.0",
        "protocol": "grpc",
        "batch": 32,
        "concurrency": 4,
        "seconds": 38.2,
        "machine": "x86_64, 2 cores",
        "tools": {"numpy": "2.4.6"},
        "started_at": "2026-11-24T13:20:00+00:00",
        "command": "tritonkit evaluate out/resnet18_fashion --data " + "examples/" * 20 + "recipe.yaml",
    }
    return EvaluationReport(**(fields | changes))


def classifier(names=NAMES, *, absent=None, **changes) -> EvaluationReport:
    """A classifier that is right about three times of four; `absent` is a class without samples."""
    random = np.random.default_rng(0)
    truth = random.integers(0, len(names), 400)
    if absent is not None:
        truth[truth == absent] = (absent + 1) % len(names)
    logits = random.standard_normal((400, len(names))) + 2.6 * np.eye(len(names))[truth]
    return make_report(classification_figures(truth, Answers(numbers=logits), tuple(names)), **changes)


def regression(**changes) -> EvaluationReport:
    """Answers around truths on both sides of zero."""
    random = np.random.default_rng(0)
    truth = random.normal(0, 50, (90, 1)).astype(np.float32)
    answer = truth + random.normal(0, 20, (90, 1)).astype(np.float32)
    return make_report(regression_figures(truth, answer), **changes)


def missed() -> tuple[Requirement, ...]:
    return (
        Requirement(text="accuracy>0.893", got=0.7411, met=False),
        Requirement(text="macro_f1>0.5", got=0.74, met=True),
    )


def page_of(report: EvaluationReport) -> str:
    picture = as_png(np.arange(28 * 28, dtype=np.uint16).astype(np.uint8).reshape(28, 28))
    mistakes = report.figures.mistakes if report.figures.task == "classification" else ()
    return draw_evaluation(report, {one.sample: picture for one in mistakes})
