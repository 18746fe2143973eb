"""The pieces of which the charts are made: text, lines, legends, and the `<svg>` around them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 420
_LEGEND_Y = 10.0


def svg(title: str, height: float, body: Sequence[str], *, width: float = WIDTH, kind: str = "chart") -> str:
    """The chart around `body`, with its text alternative."""
    return (
        f'<svg class="{kind}" role="img" viewBox="0 0 {width:g} {height:g}"><title>{escape(title)}</title>'
        f"{''.join(body)}</svg>"
    )


def text(x: float, y: float, words: str, kind: str) -> str:
    """Words with their baseline at `y`; `kind` is the classes of the style sheet."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def legend(entries: Sequence[tuple[str, int]], *, left: float = 0) -> list[str]:
    """Swatch and name side by side; without a font at hand, a character counts as 6.6 units."""
    parts, x = [], left
    for name, colour in entries:
        parts.append(f'<rect class="swatch series-{colour}" x="{x:.1f}" y="{_LEGEND_Y - 8}" width="9" height="9"/>')
        parts.append(text(x + 13, _LEGEND_Y, name, "legend"))
        x += 28 + 6.6 * len(name)
    return parts
