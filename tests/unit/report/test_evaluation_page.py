"""The page of an evaluation: what it says, for a classifier, for very many classes, for a regression."""

import re

import pytest

from tests.unit.report.evaluation_reports import classifier, missed, page_of, regression
from tritonkit.report.evaluation_view import MOST_DRAWN

HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'{{ 7 * 7 }}</pre>"


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<style>.*?</style>|<script>.*?</script>|<[^>]+>", " ", page, flags=re.DOTALL).split())


def test_a_classifiers_page_shows_figures_curves_confusions_and_mistakes():
    report = classifier(requirements=missed())
    page = page_of(report)
    words = text_of(page)
    assert "400 of the 10,000 test samples of Fashion-MNIST, asked over gRPC in batches of 32" in words
    assert f"Accuracy {report.figures.accuracy.value:.4f} {report.figures.accuracy.low:.3f} \N{EN DASH} " in words
    assert "1 of 2 bounds is not kept" in words
    assert page.count("<title>ROC curve of") == 10
    assert page.count("data:image/png;base64,") == len(report.figures.mistakes) > 0
    assert "Commonest confusions" in words
    assert page.count("<svg") == page.count("</svg>") == 10 + 3


def test_without_bounds_there_is_no_verdict():
    assert 'role="status"' not in page_of(classifier())


def test_an_undefined_area_is_a_dash():
    page = page_of(classifier(absent=2))
    assert page.count("<title>ROC curve of") == 9
    assert re.search("Macro AUC</dt><dd>\N{EN DASH}</dd>", page)


def test_of_very_many_classes_the_hardest_are_drawn():
    report = classifier(tuple(f"class {i}" for i in range(MOST_DRAWN + 5)))
    page = page_of(report)
    assert f"Drawn are the {MOST_DRAWN} classes of the lowest F1" in text_of(page)
    assert "Who is taken for whom" not in page
    assert page.count('<th scope="row">class ') >= MOST_DRAWN + 5, "the table has them all"
    best = max(report.figures.classes, key=lambda one: one.f1.value)
    assert f"<title>ROC curve of {best.name} against" not in page


def test_a_regressions_page():
    page = page_of(regression(model="tabular"))
    words = text_of(page)
    assert "Mean squared error" in words
    assert "R²" in words
    assert page.count("<circle") == 90
    assert "ROC" not in words


@pytest.mark.parametrize("make", [lambda **changes: classifier((HOSTILE, HOSTILE + "2"), **changes), regression])
def test_nothing_breaks_out_of_its_place(make):
    page = page_of(make(model=HOSTILE, server=HOSTILE, machine=HOSTILE, command=HOSTILE, tools={HOSTILE: HOSTILE}))
    assert page.count("<script") == 1
    assert "<img src=x" not in page
    assert "{{ 7 * 7 }}" in page
