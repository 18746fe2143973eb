"""The pages of a load test and of a search in a real Chromium: on a phone nothing sticks out."""

from __future__ import annotations

import html
import re
import shutil
import subprocess

import numpy as np
import pytest

from benchmarks.arrivals import parse_rate
from benchmarks.figures import Window, series_of
from benchmarks.plan import LoadPlan
from benchmarks.records import RECORD
from tritonkit.report import draw_load_page
from tritonkit.report.tuning_page import Row, draw_tuning
from tritonkit.spec.reports import GpuUse, LoadReport, ServerMoment
from tritonkit.spec.tuning import RateStep, Setting, TunedPoint, TuningReport

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed to look at the page with")

# A frame has the width that it is given, a window at least 500 pixels.
FRAME = """<!doctype html><title>frame</title>
<iframe id="frame" width="{width}" height="900" style="border: 0" srcdoc="{page}"></iframe><pre id="found">not loaded</pre>
<script>
frame.addEventListener("load", () => {{
  const inner = frame.contentDocument;
  const wide = [...inner.querySelectorAll("body *")].filter((one) => {{
    if (one.parentElement.closest(".scroll, pre, svg")) return false;
    const box = one.getBoundingClientRect();
    return box.right > {width} + 0.5 || box.left < -0.5;
  }});
  const alarm = inner.querySelector(".notice.failed");
  found.textContent = [
    "document " + inner.documentElement.scrollWidth,
    "charts " + inner.querySelectorAll("svg.chart").length,
    "alarm " + (alarm ? getComputedStyle(alarm).color : "none"),
    ...wide.map((one) => "wide " + one.tagName + "." + one.getAttribute("class")),
  ].join("|");
}});
</script>"""


def _look(tmp_path, page: str, width: int) -> list[str]:
    outer = tmp_path / "frame.html"
    outer.write_text(FRAME.format(width=width, page=html.escape(page)), encoding="utf-8")
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking",
         "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}",
         "--virtual-time-budget=5000", "--window-size=1400,1000", "--dump-dom", outer.as_uri()],
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    found = re.search(r'<pre id="found">([^<]*)</pre>', done.stdout)
    assert found, done.stderr[-2000:]
    return found.group(1).split("|")


def _load_page() -> str:
    plan = LoadPlan(model="m", grpc_url="grpc://127.0.0.1:1", mode="open", rate=parse_rate("10,20,40", 6), seconds=6)
    times = np.arange(0, 6, 0.04)
    rows = np.array([(t, t, np.nan, t + 0.02 + 0.01 * t, 1, 0, 0, 0) for t in times], dtype=RECORD)
    moments = tuple(
        ServerMoment(begin=i, requests=9, queue_ms=i, compute_input_ms=1, compute_infer_ms=9, compute_output_ms=0.1)
        for i in range(6)
    )
    return draw_load_page(
        LoadReport(
            model="a_rather_long_name_of_a_model", mode="open", offered=23, seconds=6, warmup_seconds=1,
            series=(series_of(plan, "grpc", rows, Window(begin=0.0, end=6.0)),), server=(), generator_cpu=0.97,
            cores=2, limited_by_generator=True, limit_reason="its machine is too busy",
            started_at="2026-11-24T10:00:00+00:00", command="tritonkit bench " + "x" * 200, server_timeline=moments,
            gpus=(GpuUse(gpu="GPU-0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f", utilisation=0.7, memory_bytes=2e9),),
        )
    )  # fmt: skip


def _tuning_page() -> str:
    first = Setting(variant="fp32", instances=1, threads=1, max_batch_size=16, max_queue_delay_microseconds=2000)
    settings = [first, first.model_copy(update={"instances": 2, "preprocess_instances": 2})]
    steps = tuple(RateStep(offered=r, answered=r, p50=r, p95=r, p99=2.0 * r, met=r < 30) for r in (10, 20, 30))
    points = tuple(TunedPoint(setting=s, verdict="measured", rate=20, promise=22, steps=steps) for s in settings)
    report = TuningReport(
        name="m", objective="p99<50ms", max_drop_points=0.5, axes={}, settings=108, points=points, own=settings[0],
        winner=settings[1], step_seconds=5, started_at="2026-11-24T10:00:00+00:00", seconds=300, machine="Linux",
        cores=2, tools={"optuna": "5.0.0"}, command="tritonkit tune examples/m --slo 'p99<50ms'",
    )  # fmt: skip
    why = "at 30.0/s, which it answered, p50 was 30 ms, p95 30 ms and p99 60 ms: p99<50ms was missed by latency"
    return draw_tuning(report, [Row(setting=s, rate=20.0, looks=1, why=why) for s in settings], limit_ms=50.0)


@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize(("draw", "charts"), [(_load_page, 6), (_tuning_page, 1)])
def test_nothing_sticks_out(tmp_path, draw, charts, width):
    document, drawn, _, *wide = _look(tmp_path, draw(), width)
    assert document == f"document {width}"
    assert drawn == f"charts {charts}"
    assert not wide


def test_the_limit_of_the_generator_is_said_in_red(tmp_path):
    (alarm,) = (fact for fact in _look(tmp_path, _load_page(), 800) if fact.startswith("alarm"))
    red, green, blue = map(int, re.findall(r"\d+", alarm)[:3])
    assert red > 2 * max(green, blue) or (red > 200 and red > 1.5 * max(green, blue))
