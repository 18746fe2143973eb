"""The page in a real Chromium: nothing sticks out on a phone, nothing is complained about."""

from __future__ import annotations

import html
import re
import shutil
import subprocess

import pytest

from tests.unit.report.evaluation_reports import classifier, missed, page_of, regression
from tritonkit.report import draw_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed to look at the page with")

# A frame has the width that it is given, a window at least 500 pixels. `srcdoc` lets the outer page look inside.
FRAME = """<!doctype html><title>frame</title>
<iframe id="frame" width="{width}" height="900" style="border: 0" srcdoc="{page}"></iframe>
<pre id="found">not loaded</pre>
<script>
frame.addEventListener("load", () => {{
  const inner = frame.contentDocument;
  const wide = [...inner.querySelectorAll("body *")].filter((one) => {{
    if (one.parentElement.closest(".scroll, pre, svg")) return false;
    const box = one.getBoundingClientRect();
    return box.right > {width} + 0.5 || box.left < -0.5;
  }});
  found.textContent = [
    "document " + inner.documentElement.scrollWidth,
    "copy " + inner.querySelectorAll("button").length,
    ...wide.map((one) => "wide " + one.tagName + "." + one.getAttribute("class")),
  ].join("|");
}});
</script>"""


def look(tmp_path, page: str, width: int) -> tuple[list[str], str]:
    """What the frame found, and what the browser wrote into its console."""
    outer = tmp_path / "frame.html"
    outer.write_text(FRAME.format(width=width, page=html.escape(page)), encoding="utf-8")
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
         "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000",
         "--window-size=1400,1000", "--dump-dom", outer.as_uri()],
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    found = re.search(r'<pre id="found">([^<]*)</pre>', done.stdout)
    assert found, done.stderr[-2000:]
    return found.group(1).split("|"), "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


@pytest.mark.parametrize("width", [375, 1280])
def test_nothing_sticks_out_and_nothing_is_complained_about(tmp_path, failed_build, load, answers, pictures, width):
    page = draw_report(
        failed_build,
        load=load.model_copy(update={"limited_by_generator": True}),
        answers=answers,
        pictures=pictures,
        commands=[("Build", failed_build.command), ("Serve", "tritonkit serve " + "x" * 300)],
    )
    found, console = look(tmp_path, page, width)
    assert found == [f"document {width}", "copy 2"]
    assert console == ""


def test_hostile_strings_run_nothing_and_stretch_nothing(tmp_path, hostile_page):
    found, console = look(tmp_path, hostile_page, 375)
    assert found == ["document 375", "copy 1"]
    assert console == ""


@pytest.mark.parametrize("report", [classifier(requirements=missed()), regression()], ids=["classifier", "regression"])
def test_an_evaluation_fits_a_phone(tmp_path, report):
    found, console = look(tmp_path, page_of(report), 375)
    assert found == ["document 375", "copy 1"]
    assert console == ""
