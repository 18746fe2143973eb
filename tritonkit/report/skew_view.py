"""What the check of skew found -> the pictures of its worst samples, side by side."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tritonkit.report.pictures import draw_thumbnails

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tritonkit.spec.skew import SkewReport, SkewSample

# Up to this size a picture is embedded as it is, every pixel of it; a larger one as a thumbnail.
_MOST_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Triple:
    """One of the worst samples, drawn.

    Attributes:
        sample: its figures.
        pictures: what each picture shows, and its data URI; none where there is no such file.
    """

    sample: SkewSample
    pictures: tuple[tuple[str, str | None], ...]


def view_skew(report: SkewReport, files: Mapping[str, bytes]) -> tuple[Triple, ...]:
    """The worst samples of `report`, the worst first; their pictures are among `files`, PNG by file name."""
    return tuple(
        Triple(
            sample=sample,
            pictures=(
                ("source", _uri(sample.source, files)),
                ("served", _uri(sample.served, files)),
                ("difference", _uri(sample.difference, files)),
            ),
        )
        for sample in report.worst
    )


def _uri(name: str, files: Mapping[str, bytes]) -> str | None:
    data = files.get(name)
    if data is None:
        return None
    if len(data) > _MOST_BYTES:
        return draw_thumbnails({name: data}).get(name)
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"
