"""A load test by itself -> one self-contained HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tritonkit.report.load_view import draw_load
from tritonkit.report.page import render

if TYPE_CHECKING:
    from tritonkit.spec.reports import LoadReport


def draw_load_page(load: LoadReport) -> str:
    """One HTML page on `load`; it needs no network and, to be read, no JavaScript."""
    return render("load_page.html.j2", load=load, load_charts=draw_load(load))
