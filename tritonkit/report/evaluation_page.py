"""An evaluation -> one self-contained HTML page."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from tritonkit.report.evaluation_view import LEAST_IN_BIN, MOST_DRAWN, view_evaluation
from tritonkit.report.page import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tritonkit.spec.evaluation import EvaluationReport


def draw_evaluation(report: EvaluationReport, pictures: Mapping[int, bytes]) -> str:
    """One HTML page on `report`; it needs no network and, to be read, no JavaScript.

    Args:
        report: the evaluation.
        pictures: small PNG files by sample, for the mistakes that the report lists; they are embedded as they are.
    """
    return render(
        "evaluation.html.j2",
        report=report,
        figures=report.figures,
        view=view_evaluation(report.figures),
        most_drawn=MOST_DRAWN,
        least_in_bin=LEAST_IN_BIN,
        pictures={sample: base64.b64encode(picture).decode() for sample, picture in pictures.items()},
    )
