"""The Grafana dashboard, as a table of panels. `python helm/generate.py` writes it.

Every query selects one release by the labels that the chart's scrape sets; the chart puts the names in. Quantiles come
from histograms alone: those of summaries cannot be added up over pods.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Placeholders that the chart's template replaces.
RELEASE = 'namespace="TRITON_NAMESPACE",triton_release="TRITON_RELEASE"'
MODELS = f'{RELEASE},track=~"$track",model=~"$model"'
_WINDOW = "$__rate_interval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture.

    Attributes:
        title: what it shows.
        unit: Grafana's name of the unit.
        queries: legend and PromQL.
        stacked: whether the series add up to something.
        note: what a reader must know to read it right.
    """

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    stacked: bool = False
    note: str = ""


def _rate(metric: str, by: str = "model, version", extra: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{{{MODELS}{extra}}}[{_WINDOW}]))"


def _each(metric: str, by: str = "model") -> str:
    """Milliseconds a request, of a counter in microseconds."""
    return f"{_rate(metric, by)} / 1000 / ({_rate('nv_inference_request_success', by)} > 0)"


def _quantile(q: float) -> str:
    return f"histogram_quantile({q}, {_rate('nv_inference_first_response_histogram_ms_bucket', 'model, le')})"


def _share(part: str, rest: str) -> str:
    hits, others = _rate(part, "model"), _rate(rest, "model")
    return f"{hits} / ({hits} + {others} > 0)"


PANELS: tuple[Panel, ...] = (
    Panel(
        title="Servers that answer",
        unit="short",
        queries=(("{{track}}", f'sum by (track) (up{{{RELEASE},track=~"$track"}})'),),
    ),
    Panel(
        title="Requests a second",
        unit="reqps",
        queries=(("{{model}} v{{version}}", _rate("nv_inference_request_success")),),
        note="An ensemble and each of its parts count the same request once.",
    ),
    Panel(
        title="Failures a second, by reason",
        unit="reqps",
        queries=(("{{model}} {{reason}}", _rate("nv_inference_request_failure", "model, reason")),),
        note="Requests that were refused because a queue was full, and malformed ones, are in no metric of Triton's: "
        "count them at the gateway.",
    ),
    Panel(
        title="Latency",
        unit="ms",
        queries=tuple((f"{{{{model}}}} p{round(q * 100)}", _quantile(q)) for q in (0.5, 0.9, 0.99)),
        note="From Triton 26.01 for all models; needs triton.metrics.histograms.",
    ),
    Panel(
        title="Where a request's time goes",
        unit="ms",
        stacked=True,
        queries=tuple(
            (f"{{{{model}}}} {name}", _each(f"nv_inference_{metric}_duration_us"))
            for name, metric in (
                ("queue", "queue"),
                ("input", "compute_input"),
                ("compute", "compute_infer"),
                ("output", "compute_output"),
            )
        ),
        note="Means over requests. A queue much longer than the computation asks for more instances or replicas.",
    ),
    Panel(
        title="Requests that wait",
        unit="short",
        queries=(("{{model}}", f"sum by (model) (nv_inference_pending_request_count{{{MODELS}}})"),),
    ),
    Panel(
        title="Mean batch",
        unit="short",
        queries=(
            (
                "{{model}}",
                f"{_rate('nv_inference_count', 'model')} / ({_rate('nv_inference_exec_count', 'model')} > 0)",
            ),
        ),
    ),
    Panel(
        title="Requests a second, by replica",
        unit="reqps",
        queries=(("{{pod}}", _rate("nv_inference_request_success", "pod")),),
        note="Uneven lines: clients hold on to their connections.",
    ),
    Panel(
        title="GPU utilisation",
        unit="percentunit",
        queries=(("{{pod}} {{gpu_uuid}}", f"nv_gpu_utilization{{{RELEASE}}}"),),
        note="Not under MIG or sharing; never a signal to scale on.",
    ),
    Panel(
        title="GPU memory",
        unit="bytes",
        queries=(
            ("{{pod}} used", f"nv_gpu_memory_used_bytes{{{RELEASE}}}"),
            ("{{pod}} total", f"nv_gpu_memory_total_bytes{{{RELEASE}}}"),
        ),
    ),
    Panel(
        title="Pinned memory in use",
        unit="percentunit",
        queries=(
            (
                "{{pod}}",
                f"nv_pinned_memory_pool_used_bytes{{{RELEASE}}} / nv_pinned_memory_pool_total_bytes{{{RELEASE}}}",
            ),
        ),
    ),
    Panel(
        title="Answered from the cache",
        unit="percentunit",
        queries=(
            (
                "{{model}}",
                _share("nv_cache_num_hits_per_model", "nv_cache_num_misses_per_model"),
            ),
        ),
    ),
    Panel(
        title="Seconds to load",
        unit="s",
        queries=(("{{model}}", f"max by (model) (nv_model_load_duration_secs{{{MODELS}}})"),),
        note="startup.maxLoadSeconds must stay well above it.",
    ),
)


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "title": "Triton: TRITON_RELEASE",
        "uid": "TRITON_RELEASE",
        "tags": ["triton"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus"},
                _variable("track", source),
                _variable("model", source),
            ]
        },
        "panels": [_panel(number, panel, source) for number, panel in enumerate(PANELS)],
    }


def _variable(label: str, source: dict[str, str]) -> dict[str, Any]:
    return {
        "name": label,
        "type": "query",
        "datasource": source,
        "query": f"label_values(nv_inference_request_success{{{RELEASE}}}, {label})",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "current": {"text": "All", "value": "$__all"},
    }


def _panel(number: int, panel: Panel, source: dict[str, str]) -> dict[str, Any]:
    stacking = {"mode": "normal" if panel.stacked else "none"}
    return {
        "id": number + 1,
        "title": panel.title,
        "description": panel.note,
        "type": "timeseries",
        "datasource": source,
        "gridPos": {"x": 12 * (number % 2), "y": 8 * (number // 2), "w": 12, "h": 8},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": {"stacking": stacking}}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + i), "datasource": source, "expr": query, "legendFormat": legend}
            for i, (legend, query) in enumerate(panel.queries)
        ],
    }
