"""The rules in promtool: every alert fires once where it should, none without cause; the figures that scaling reads."""

from __future__ import annotations

import subprocess

import pytest
import yaml

from tests.helm.chart import of_kind, profile_values, render
from tests.helm.programs import promtool

MINUTES = 90
OURS = 'namespace="serving",triton_release="demo-tritonkit",track="stable"'
MODEL = "efficientnet_lite0"


def _series(name: str, values: str, **labels: object) -> dict[str, str]:
    own = "".join(f',{key}="{value}"' for key, value in labels.items())
    return {"series": f"{name}{{{OURS}{own}}}", "values": values}


def _constant(name: str, value: float, **labels: object) -> dict[str, str]:
    return _series(name, f"{value}x{MINUTES}", **labels)


def _growing(name: str, each_minute: float, **labels: object) -> dict[str, str]:
    return _series(name, f"0+{each_minute}x{MINUTES}", **labels)


def _healthy(pod: str = "a", *, without: tuple[str, ...] = (), **figures: float) -> list[dict[str, str]]:
    """A pod that answers ten requests a second, 5 ms in the queue each, over the whole time.

    Args:
        pod: its name.
        without: metrics that the test writes itself.
        figures: other rates by the minute.
    """
    model = {"pod": pod, "model": MODEL, "version": 1}
    figures = {"nv_inference_request_success": 600, "nv_inference_exec_count": 300} | figures
    figures.setdefault("nv_inference_queue_duration_us", 600 * 5000)
    failures = [
        _growing("nv_inference_request_failure", 0, reason=reason, **model)
        for reason in ("REJECTED", "CANCELED", "BACKEND", "OTHER")
        if f"failure {reason}" not in without
    ]
    series = [
        _constant("up", 1, pod=pod),
        *(_growing(name, rate, **model) for name, rate in figures.items()),
        *failures,
        _constant("nv_inference_pending_request_count", 2, **model),
        _constant("nv_pinned_memory_pool_total_bytes", 100, pod=pod),
        _constant("nv_pinned_memory_pool_used_bytes", 10, pod=pod),
        _constant("nv_gpu_memory_total_bytes", 100, pod=pod, gpu_uuid="g"),
        _constant("nv_gpu_memory_used_bytes", 50, pod=pod, gpu_uuid="g"),
        _constant("nv_model_load_duration_secs", 20, **model),
        _growing("nv_cache_num_hits_per_model", 300, **model),
        _growing("nv_cache_num_misses_per_model", 300, **model),
        _growing("nv_inference_first_response_histogram_ms_bucket", 600, le="100", **model),
        _growing("nv_inference_first_response_histogram_ms_bucket", 600, le="+Inf", **model),
    ]
    return [s for s in series if s["series"].partition("{")[0] not in without]


def _of(reason: str, each_minute: float) -> dict[str, str]:
    return _growing("nv_inference_request_failure", each_minute, pod="a", model=MODEL, version=1, reason=reason)


def _idle() -> dict[str, float]:
    return {"nv_inference_request_success": 0, "nv_inference_exec_count": 0, "nv_inference_queue_duration_us": 0}


_OWN = {"pod": "a", "model": MODEL, "version": 1}
# Alert: the series under which it, and it alone, fires.
FIRES = {
    "TritonDown": [],
    "TritonReplicaDown": [*_healthy(), _constant("up", 0, pod="b")],
    "TritonModelMissing": [*_healthy(), _constant("up", 1, pod="b")],
    "TritonRequestsFailing": [*_healthy(without=("failure OTHER",)), _of("OTHER", 30)],
    "TritonQueueSlow": _healthy(nv_inference_queue_duration_us=600 * 200_000),
    "TritonQueueStuck": _healthy(**_idle()),
    "TritonClientsGivingUp": [*_healthy(without=("failure CANCELED",)), _of("CANCELED", 60)],
    "TritonRequestsTimingOut": [*_healthy(without=("failure REJECTED",)), _of("REJECTED", 4)],
    "TritonLoadUneven": [*_healthy("a"), *_healthy("b", **_idle(), without=("nv_inference_pending_request_count",))],
    "TritonRestarting": [
        *_healthy(without=("nv_inference_exec_count",)),
        _series("nv_inference_exec_count", " ".join(["0+300x9"] * (MINUTES // 10)), **_OWN),
    ],
    "TritonPinnedMemoryFull": [
        *_healthy(without=("nv_pinned_memory_pool_used_bytes",)),
        _constant("nv_pinned_memory_pool_used_bytes", 99, pod="a"),
    ],
    "TritonGpuMemoryFull": [
        *_healthy(without=("nv_gpu_memory_used_bytes",)),
        _constant("nv_gpu_memory_used_bytes", 97, pod="a", gpu_uuid="g"),
    ],
    "TritonLoadsSlowly": [
        *_healthy(without=("nv_model_load_duration_secs",)),
        _constant("nv_model_load_duration_secs", 110, **_OWN),
    ],
    "TritonCacheUseless": [
        *_healthy(without=("nv_cache_num_hits_per_model",)),
        _growing("nv_cache_num_hits_per_model", 3, **_OWN),
    ],
    "TritonLatencyHigh": [
        *_healthy(without=("nv_inference_first_response_histogram_ms_bucket",)),
        _growing("nv_inference_first_response_histogram_ms_bucket", 500, le="100", **_OWN),
        _growing("nv_inference_first_response_histogram_ms_bucket", 600, le="1000", **_OWN),
        _growing("nv_inference_first_response_histogram_ms_bucket", 600, le="+Inf", **_OWN),
    ],
    # A backend that answers nothing but errors fails all requests, which the other alert tells too.
    "TritonBackendBroken": [
        *_healthy(**_idle(), without=("failure BACKEND", "nv_inference_pending_request_count")),
        _of("BACKEND", 60),
    ],
}
ALSO = {"TritonBackendBroken": {"TritonRequestsFailing"}}


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    values = profile_values("production") | {"triton": {"responseCacheBytes": 1 << 20}}
    (document,) = of_kind(render(values), "PrometheusRule")
    path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    path.write_text(yaml.safe_dump(document["spec"]))
    names = [rule["alert"] for group in document["spec"]["groups"] for rule in group["rules"] if "alert" in rule]
    return path, names


def _run(rules, tests, tmp_path):
    path, _ = rules
    file = tmp_path / "tests.yaml"
    timed = [{"interval": "1m"} | test for test in tests]
    file.write_text(yaml.safe_dump({"rule_files": [str(path)], "evaluation_interval": "1m", "tests": timed}))
    return subprocess.run([promtool(), "test", "rules", file], capture_output=True, text=True, check=False)


def _firing(alert: str, count: int) -> dict:
    """That `count` alerts of this name fire at the end."""
    query = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    return {"expr": query, "eval_time": f"{MINUTES}m", "exp_samples": [{"labels": "{}", "value": count}]}


def test_every_alert_is_tested(rules):
    assert set(FIRES) == set(rules[1])


@pytest.mark.parametrize("alert", FIRES)
def test_the_alert_fires_once_and_no_other_with_it(alert, rules, tmp_path):
    expected = {alert} | ALSO.get(alert, set())
    tests = [_firing(name, int(name in expected)) for name in sorted(set(rules[1]))]
    done = _run(rules, [{"input_series": FIRES[alert], "promql_expr_test": tests}], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("each_minute", [600, 30, 0], ids=["ten a second", "half a second", "no traffic"])
def test_a_healthy_release_is_silent(each_minute, rules, tmp_path):
    figures = {
        "nv_inference_request_success": each_minute,
        "nv_inference_exec_count": each_minute,
        "nv_inference_queue_duration_us": each_minute * 5000,
    }
    series = [
        *_healthy(**figures, without=("nv_inference_pending_request_count",)),
        _constant("nv_inference_pending_request_count", 0, **_OWN),
    ]
    tests = [_firing(name, 0) for name in sorted(set(rules[1]))]
    done = _run(rules, [{"input_series": series, "promql_expr_test": tests}], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def _ten_models(busy: float, queue_us: float) -> list[dict[str, str]]:
    """Ten models on two pods, one of them busy: requests by the minute and pod, microseconds in the queue of each."""
    series = []
    for pod in ("a", "b"):
        for number in range(10):
            rate = busy if number == 3 else 0
            labels = {"pod": pod, "model": f"m{number}", "version": 1}
            series += [
                _growing("nv_inference_request_success", rate, **labels),
                _growing("nv_inference_queue_duration_us", rate * queue_us, **labels),
                _constant("nv_inference_pending_request_count", 4 if rate else 0, **labels),
            ]
    return series


@pytest.mark.parametrize(
    ("series", "queue_us", "pending"),
    [
        pytest.param(_ten_models(600, 42_000), 42_000, 8, id="ten models, one busy"),
        pytest.param(_ten_models(0, 0), 0, 0, id="no traffic"),
        pytest.param(_ten_models(30, 42_000), 42_000, 8, id="half a request a second"),
    ],
)
def test_what_scaling_reads_is_the_true_mean(series, queue_us, pending, rules, tmp_path):
    values = profile_values("production")
    (scaled,) = of_kind(render(values), "ScaledObject")
    waiting, queue = (trigger["metadata"]["query"] for trigger in scaled["spec"]["triggers"])
    labels = "{" + OURS + "}"
    tests = [
        (waiting, "{}", pending),
        (queue, "{}", queue_us),
        ("tritonkit:pending_requests:sum", "tritonkit:pending_requests:sum" + labels, pending),
        ("tritonkit:queue_us:max", "tritonkit:queue_us:max" + labels, queue_us),
    ]
    checks = [
        {"expr": expr, "eval_time": "30m", "exp_samples": [{"labels": labels, "value": value}]}
        for expr, labels, value in tests
    ]
    done = _run(rules, [{"input_series": series, "promql_expr_test": checks}], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_a_single_pod_scaling_reads_nothing_rather_than_failing(rules, tmp_path):
    (scaled,) = of_kind(render(profile_values("production")), "ScaledObject")
    checks = [
        {"expr": t["metadata"]["query"], "eval_time": "30m", "exp_samples": [{"labels": "{}", "value": 0}]}
        for t in scaled["spec"]["triggers"]
    ]
    done = _run(rules, [{"input_series": [], "promql_expr_test": checks}], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
