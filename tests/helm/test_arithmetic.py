"""Times and weights that follow from one another, for any values that the schema allows."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helm.chart import MINIMAL, merged, named, of_kind, profile_values, render, server

# One render takes a tenth of a second.
FEW = settings(max_examples=10, deadline=None, derandomize=True)


def _flag(container, name):
    (value,) = (arg.partition("=")[2] for arg in container["args"] if arg.startswith(f"--{name}="))
    return value


@FEW
@given(
    pre_stop=st.integers(5, 600),
    drain=st.integers(1, 3600),
    unload=st.integers(5, 600),
    more=st.none() | st.integers(0, 600),
    kubernetes=st.sampled_from(["1.29", "1.30", "1.37"]),
)
def test_the_grace_period_holds_sleep_drain_and_unload(pre_stop, drain, unload, more, kubernetes):
    total = pre_stop + drain + unload
    times = {"preStopSeconds": pre_stop, "drainSeconds": drain, "unloadSeconds": unload}
    if more is not None:
        times["gracePeriodSeconds"] = total + more
    # A connection that may not outlive the sleep has a test of its own.
    values = merged(MINIMAL, {"termination": times, "triton": {"grpcMaxConnectionAgeMs": 0}})
    deployment = named(render(values, kubernetes=kubernetes), "Deployment", "demo-tritonkit")
    pod = deployment["spec"]["template"]["spec"]
    hook = pod["containers"][0]["lifecycle"]["preStop"]
    slept = hook["sleep"]["seconds"] if "sleep" in hook else int(hook["exec"]["command"][1])
    exit_timeout = int(_flag(pod["containers"][0], "exit-timeout-secs"))
    assert (slept, exit_timeout) == (pre_stop, drain)
    assert pod["terminationGracePeriodSeconds"] == total + (more or 0)
    assert ("sleep" in hook) == (kubernetes != "1.29")


@FEW
@given(load=st.integers(10, 7200), period=st.integers(1, 60), unready=st.integers(30, 3600))
def test_probes_wait_at_least_as_long_as_they_are_told(load, period, unready):
    if unready <= 2 * period:
        unready = 2 * period + 1
    probes = {"periodSeconds": period, "timeoutSeconds": 1, "restartAfterUnreadySeconds": unready}
    documents = render(merged(MINIMAL, {"startup": {"maxLoadSeconds": load}, "probes": probes}))
    container = server(documents)
    for kind, seconds in (("startupProbe", load), ("livenessProbe", unready)):
        spanned = container[kind]["periodSeconds"] * container[kind]["failureThreshold"]
        assert seconds <= spanned < seconds + period
    deployment = named(documents, "Deployment", "demo-tritonkit")["spec"]
    assert deployment["progressDeadlineSeconds"] > load


@FEW
@given(weight=st.integers(0, 100), preview=st.booleans(), owner=st.sampled_from(["chart", "external"]))
def test_weights_are_percent_on_every_route(weight, preview, owner):
    changes = {"traffic": {"canaryWeight": weight, "previewHeader": preview, "owner": owner}}
    documents = render(merged(profile_values("canary"), changes))
    services = {service["metadata"]["name"] for service in of_kind(documents, "Service")}
    for kind in ("HTTPRoute", "GRPCRoute"):
        rules = named(documents, kind, "demo-tritonkit")["spec"]["rules"]
        assert len(rules) == 1 + preview
        stable, canary = rules[-1]["backendRefs"]
        assert (stable["weight"], canary["weight"]) == (100 - weight, weight)
        for backend in itertools.chain(*(rule["backendRefs"] for rule in rules)):
            assert backend["name"] in services
            assert backend.keys() == {"group", "kind", "name", "port", "weight"}
        if preview:
            assert [backend["name"] for backend in rules[0]["backendRefs"]] == [canary["name"]]


@FEW
@given(spare=st.integers(0, 8))
def test_a_rollout_always_moves_and_never_takes_more_than_is_spare(spare):
    strategy = named(render(merged(MINIMAL, {"rollout": {"spareReplicas": spare}})), "Deployment", "demo-tritonkit")
    update = strategy["spec"]["strategy"]["rollingUpdate"]
    assert update["maxSurge"] == spare
    assert update["maxSurge"] + update["maxUnavailable"] >= 1


@FEW
@given(load=st.integers(10, 7200))
def test_scaling_down_waits_for_two_loads_within_what_an_hpa_may(load):
    documents = render(merged(profile_values("hpa"), {"startup": {"maxLoadSeconds": load}}))
    window = of_kind(documents, "HorizontalPodAutoscaler")[0]["spec"]["behavior"]["scaleDown"]
    assert window["stabilizationWindowSeconds"] == min(3600, max(300, 2 * load))
