"""The page: well-formed, alone in the world, escaped, complete."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from tritonkit.report import draw_report
from tritonkit.spec.reports import StageRun
from tritonkit.spec.skew import SkewReport, SkewSample, Spread

VOID = {"meta", "br", "img", "link", "input", "hr", "wbr"}
SECTIONS = ["model", "variants", "parity", "pictures", "load", "build", "repeat"]


class Page(HTMLParser):
    """A page's elements and text; an end tag that closes nothing, or an element left open, is an error."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.errors: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        self.errors += [f"{tag} is left open" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.errors.append(f"</{tag}> at {self.getpos()} closes something else")

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"script", "style"}:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def good(build, load, answers, pictures) -> str:
    return draw_report(
        build, load=load, answers=answers, pictures=pictures, commands=[("Build", "tritonkit build x && echo '<ok>'")]
    )


@pytest.fixture
def empty(build) -> str:
    bare = build.model_copy(update={"variants": (), "stages": (), "tools": {}, "description": ""})
    return draw_report(bare, load=None, answers=(), pictures={}, commands=())


def test_it_is_well_formed(good, empty, hostile_page):
    for html in (good, empty, hostile_page):
        assert Page(html).errors == []
        assert html.startswith("<!doctype html>")


def test_ids_are_unique_and_links_lead_somewhere(good):
    page = Page(good)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert set(SECTIONS) < set(ids)
    assert [link["href"] for link in page.all("a")] == [f"#{section}" for section in SECTIONS]


def test_it_loads_nothing(good, hostile_page):
    for html in (good, hostile_page):
        page = Page(html)
        for tag, attributes in page.elements:
            assert tag not in {"link", "iframe", "object", "embed", "base", "form"}
            for key in ("src", "href", "srcset", "action", "data"):
                value = attributes.get(key)
                assert value is None or value.startswith(("#", "data:image/jpeg;base64,")), (tag, value)
        style = re.search(r"<style>(.*?)</style>", html, re.DOTALL).group(1)
        assert "url(" not in style
        assert "@import" not in style


def test_the_policy_forbids_everything_else(good):
    (policy,) = [meta["content"] for meta in Page(good).all("meta") if "http-equiv" in meta]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "script-src 'sha256-" in policy


def test_what_data_brings_stays_text(hostile_page):
    page = Page(hostile_page)
    assert len(page.all("script")) == 1
    assert "alert" not in re.search(r"<script>(.*?)</script>", hostile_page, re.DOTALL).group(1)
    assert [image for image in page.all("img") if image["src"] == "x"] == []
    assert not any(key.startswith("on") for _, attributes in page.elements for key in attributes)
    assert "{{ 7 * 7 }}" in page.text
    assert page.text.count("<script>alert(1)</script>") > 40


def test_each_section_says_what_it_should(good):
    text = Page(good).text
    for words in (
        "Passed", "The served answers equal those of the original weights.", "Triton 26.07", "Another variant did not",
        "4.65 million", "opset 20, IR version 10", "9f8b2c41", "fp32 on onnxruntime, 18.6 MB",
        "Artefact", "Preprocessing", "Served model", "End to end", "42 %", "within 1.0\N{MULTIPLICATION SIGN}10⁻⁴",
        "Egyptian cat 61.2 %", "espresso 87.3 %", "gRPC 14.2 ms · HTTP 15.9 ms",
        "Closed loop", "Objective p99<50ms: met.", "394 \N{EN DASH} 406", "71,412 bytes",
        "Where the server spent the time",
        "5 stages in 1 min 26 s, 1 of them from the cache.", "14 samples, their answers, and an ONNX file",
        "cached", "2.14.1",
        "tritonkit build x && echo '<ok>'",
    ):  # fmt: skip
        assert words in text, words


def test_every_chart_has_a_text_alternative(good):
    charts = re.findall(r'<svg class="(?:chart|meter)" role="img"[^>]*><title>([^<]+)</title>', good)
    assert len(charts) == good.count("<svg")
    assert len(charts) > 10


def test_empty_parts_say_so(empty):
    text = Page(empty).text
    for words in (
        "Failed", "The variant to be served was never compared.", "No variant was compared.",
        "The served model was not asked about any picture.", "No load test was run.", "No stage ran.", "none recorded",
        "No command was recorded.",
    ):  # fmt: skip
        assert words in text, words


def test_a_failure_stands_out(failed_build, load):
    html = draw_report(failed_build, load=load, answers=(), pictures={}, commands=())
    text = Page(html).text
    assert "Failed The served answers differ from those of the original weights. This candidate cannot be" in text
    assert "fp32 · End to end · output label : 2 of 6 comparisons failed" in text
    assert "got 'tiger cat', allowed only 'Egyptian cat'" in text
    assert "efficientnet_lite0 · failed" in text
    assert html.count('<tr class="failed">') == 1


def test_a_later_build_that_failed_is_told(build, failed_build):
    rejected = failed_build.variants[0].served
    page = draw_report(build, load=None, answers=(), pictures={}, commands=(), rejected=rejected)
    text = Page(page).text
    assert "A later build failed and left this candidate in place" in text
    assert "got 'tiger cat', allowed only 'Egyptian cat'" in text


def test_the_generator_as_the_limit_is_told_in_red(build, load):
    limited = load.model_copy(update={"limited_by_generator": True, "limit_reason": "it used 0.99 of its one core"})
    html = draw_report(build, load=limited, answers=(), pictures={}, commands=())
    assert 'class="notice failed" role="alert"' in html
    assert "The load generator was the limit, not the server." in html
    assert "it used 0.99 of its one core" in html
    assert 'role="alert"' not in draw_report(build, load=load, answers=(), pictures={}, commands=())


def test_failed_requests_are_told_with_their_reasons(build, load):
    grpc, http = load.series
    http = http.model_copy(
        update={
            "failures": 37,
            "failure_reasons": {"queue full": 37},
            "first_messages": {"queue full": "Exceeds maximum"},
        }
    )
    load = load.model_copy(update={"series": (grpc, http)})
    text = Page(draw_report(build, load=load, answers=(), pictures={}, commands=())).text
    assert "37 failed: queue full (first: Exceeds maximum)" in text


def test_an_open_loop_says_what_was_offered(build, load):
    series = load.series[0].model_copy(update={"offered": 500.0, "late": 3, "unsent": 2})
    load = load.model_copy(update={"mode": "open", "offered": 500.0, "series": (series,)})
    text = Page(draw_report(build, load=load, answers=(), pictures={}, commands=())).text
    assert "Open loop: 500 requests a second were sent, whether or not answers came." in text
    assert "3 were sent more than 10 ms late. 2 were due and never sent." in text
    assert "Offered/s" in text


def test_a_load_test_with_no_answer_at_all_is_drawn(build, load):
    none = load.series[0].model_copy(
        update={"requests": 9, "failures": 9, "timeline": ((0.0, 0, 0.0),), "histogram": (), "goodput": None,
                "throughput_interval": None, "latency_low": None, "latency_high": None, "throughput": 0.0}
    )  # fmt: skip
    bare = load.model_copy(update={"series": (none,), "server": (), "objective": None})
    assert Page(draw_report(build, load=bare, answers=(), pictures={}, commands=())).errors == []


def test_stages_that_took_no_time_are_drawn(build):
    stage = StageRun(name="capture", seconds=0.0, cached=True, folder="x", summary="nothing to do")
    html = draw_report(build.model_copy(update={"stages": (stage,)}), load=None, answers=(), pictures={}, commands=())
    assert "--part: 0.00%" in html


def test_it_stays_below_a_megabyte(build, load, answers):
    data = io.BytesIO()
    Image.effect_noise((900, 700), 90).convert("RGB").save(data, "PNG")
    many = [answers[0].model_copy(update={"file": f"{index}.png"}) for index in range(60)]
    pictures = {f"{index}.png": data.getvalue() for index in range(60)}
    html = draw_report(build, load=load, answers=many, pictures=pictures, commands=())
    assert html.count("data:image/jpeg") == 60
    assert len(html.encode()) < 1_000_000


def test_pictures_that_the_model_answers_with_are_a_sheet(build, load, pictures):
    named = {"request 0 png": next(iter(pictures.values())), "request 1 <png>": next(iter(pictures.values()))}
    page = Page(draw_report(build, load=load, answers=(), pictures={}, commands=(), drawn=named))
    assert page.errors == []
    assert [image["alt"] for image in page.all("img")] == ["request 0 png", "request 1 <png>"]
    assert "Pictures that it answers with" in page.text
    assert (
        "Pictures that it answers with"
        not in Page(draw_report(build, load=None, answers=(), pictures={}, commands=())).text
    )


def test_skew_is_shown_with_its_pictures(build):
    spread = Spread(median=0.0, p99=2e-4, max=4e-4)
    sample = SkewSample(
        name="<b>.png", pixel=4e-4, logit=2e-6, top1_changed=False,
        source="1_source.png", served="1_served.png", difference="1_difference.png",
    )  # fmt: skip
    skew = SkewReport(
        variant="fp32", data="photographs", model="net_preprocess", server="triton 2.51.0", samples=1000, equal=600,
        pixel=spread, logit=spread, top1_changes=0, max_pixel_difference=0.01, max_logit_difference=1e-3,
        reason="another codec", amplification=32, worst=(sample,),
    )  # fmt: skip
    shown = build.model_copy(update={"skew": skew})
    drawn = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(drawn, "PNG")
    skewed = {"1_source.png": drawn.getvalue(), "1_served.png": drawn.getvalue()}
    page = Page(draw_report(shown, load=None, answers=(), pictures={}, commands=(), skewed=skewed))
    assert page.errors == []
    assert "1,000 pictures (photographs), 600 of them without any difference" in page.text
    assert "0 get another class" in page.text
    assert "another codec" in page.text
    assert [image["alt"] for image in page.all("img")] == ["<b>.png: source", "<b>.png: served"]
    assert page.text.count("no picture at hand") == 1
    assert "skew" not in Page(draw_report(build, load=None, answers=(), pictures={}, commands=())).text
