"""The page: documents in, one HTML text out. Nothing is read but the kit's own templates."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from tritonkit.evaluation.axes import number, share
from tritonkit.evaluation.charts import tolerance_meter
from tritonkit.report import wording
from tritonkit.report.load_view import draw_load
from tritonkit.report.parity_view import LEVELS, view_variants
from tritonkit.report.pictures import draw_thumbnails, view_pictures
from tritonkit.report.skew_view import view_skew
from tritonkit.report.variants_view import view_table
from tritonkit.report.verdict import find_failures, judge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tritonkit.spec.parity import ParityReport
    from tritonkit.spec.reports import Answered, BuildReport, LoadReport


def draw_report(
    build: BuildReport,
    *,
    load: LoadReport | None,
    answers: Sequence[Answered],
    pictures: Mapping[str, bytes],
    commands: Sequence[tuple[str, str]],
    rejected: ParityReport | None = None,
    drawn: Mapping[str, bytes] = MappingProxyType({}),
    skewed: Mapping[str, bytes] = MappingProxyType({}),
) -> str:
    """One self-contained HTML page on a build; it needs no network and, to be read, no JavaScript.

    Args:
        build: the build.
        load: the load test of what it built, if there was one.
        answers: what the served model said about files, by file and protocol.
        pictures: bytes of those files, by the path or the name that `answers` has; only thumbnails are embedded.
        commands: what repeats everything: a sentence on what a command does, and its exact text.
        rejected: what a later build, that failed and left this one in place, had found.
        drawn: pictures that the model answers with, by the request that they answer.
        skewed: pictures of the worst samples of the skew check, by the file names that the build has.
    """
    return render(
        "page.html.j2",
        build=build,
        verdict=judge(build),
        variants=view_variants(build),
        table=view_table(build),
        levels=LEVELS,
        skew=build.skew,
        skew_triples=view_skew(build.skew, skewed) if build.skew else (),
        load=load,
        load_charts=draw_load(load) if load else None,
        cards=view_pictures(answers, pictures),
        drawn=draw_thumbnails(drawn),
        commands=commands,
        rejected=find_failures(rejected.variant, rejected.comparisons) if rejected else (),
    )


def render(template: str, **values: object) -> str:
    """The page that `template` makes of `values`, with the style sheet and the script that every page has."""
    script = _text("copy.js")
    return (
        _environment()
        .get_template(template)
        .render(
            **values,
            style=_text("style.css"),
            script=script,
            script_sha256=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def _text(name: str) -> str:
    return resources.files("tritonkit.report").joinpath("templates", name).read_text(encoding="utf-8").strip()


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tritonkit.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "allowed": wording.allowed,
        "figure": wording.figure,
        "meter": tolerance_meter,
        "moment": wording.moment,
        "number": number,
        "parameters": wording.parameters,
        "scientific": wording.scientific,
        "seconds": wording.seconds,
        "share": share,
        "used": wording.used,
    }
    environment.globals["protocol_names"] = wording.PROTOCOL_NAMES
    return environment
