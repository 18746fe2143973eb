"""Reports as documents -> HTML pages that open from disk, without a network."""

from tritonkit.report.load_page import draw_load_page
from tritonkit.report.page import draw_report

__all__ = ["draw_load_page", "draw_report"]
