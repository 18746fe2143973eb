"""`tritonkit build`: trained weights -> a verified candidate repository."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from builder.build import build
from tritonkit.commands import console, exit_codes
from tritonkit.report.variants_view import table_cells, view_table

if TYPE_CHECKING:
    import argparse

    from tritonkit.report.variants_view import VariantTable

EXAMPLE = "tritonkit build examples/efficientnet_lite0 --out out/efficientnet_lite0"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("spec", type=Path, help="model.yaml, or its folder")
    parser.add_argument("--out", type=Path, help="where the candidate goes (default: out/NAME of the spec's folder)")


def run(args: argparse.Namespace) -> int:
    """Builds; every stage shows its line."""
    folder = args.spec if args.spec.is_dir() else args.spec.parent
    out = args.out or Path("out") / folder.absolute().name
    report = build(args.spec, out, watch=console.step)
    if args.json:
        console.print_json(report)
    else:
        if len(report.variants) > 1 or report.variants[0].accuracy_drop_points is not None:
            show(view_table(report))
        console.emit(f"candidate: {report.repository}")
    return exit_codes.OK


def show(table: VariantTable) -> None:
    """Prints what became of each variant, what it was measured on and how."""
    header, rows = table_cells(table)
    numbers = (2, *range(6, 6 + len(table.columns)))
    console.emit(console.table(header, rows, right=numbers))
    if table.source:
        console.emit(f"accuracy: {table.source}; 95 % intervals, the drop's paired by sample")
    if table.columns:
        console.emit(f"ms: median in process, beside fp32 in one run, on {table.columns[0][0]}")
    console.emit("")
