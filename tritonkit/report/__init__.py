"""Reports as documents -> one HTML page that opens from disk, without a network."""

from tritonkit.report.page import draw_report

__all__ = ["draw_report"]
