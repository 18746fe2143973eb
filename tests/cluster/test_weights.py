"""Whose the routes' weights are, under the real API of Gateways. No pod runs here: a route is an object like any other."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.candidates import NAME

pytestmark = pytest.mark.cluster
RELEASE = "routed"
ROUTE = f"{RELEASE}-tritonkit"
ROUTES = ("httproute", "grpcroute")


@pytest.fixture
def routed_values(values, published):
    hostnames = {protocol: {"hostnames": [f"{protocol}.example.com"]} for protocol in ("http", "grpc")}

    def with_traffic(**traffic):
        return values(
            1,
            replicaCount=0,
            gateway={"enabled": True, "parentRefs": [{"name": "gateway"}], **hostnames},
            canary={
                "enabled": True,
                "replicaCount": 1,
                "override": {"models": [{"name": NAME, "manifestSha256": published.manifests[2]}]},
            },
            # Nothing is scheduled: the test is about objects.
            nodeSelector={"tritonkit.invalid/none": "true"},
            traffic=traffic,
        )

    return with_traffic


@pytest.fixture
def release(claimed, routes, routed_values):
    claimed.upgrade(RELEASE, routed_values(owner="external", canaryWeight=5), wait=0)
    yield RELEASE
    claimed.helm("uninstall", RELEASE, "--wait", check=False)


def test_live_weights_outlive_an_upgrade_if_they_are_somebody_elses(claimed, release, routed_values):
    assert _weights(claimed) == {"httproute": [95, 5], "grpcroute": [95, 5]}
    for kind in ROUTES:
        _set_weights(claimed, kind, [70, 30])
    claimed.upgrade(release, routed_values(owner="external", canaryWeight=10), wait=0)
    assert _weights(claimed) == {"httproute": [70, 30], "grpcroute": [70, 30]}


def test_weights_of_the_chart_follow_the_values_and_nothing_drifts(claimed, release, routed_values):
    claimed.upgrade(release, routed_values(owner="chart", canaryWeight=25), wait=0)
    assert _weights(claimed) == {"httproute": [75, 25], "grpcroute": [75, 25]}
    written = {d["kind"].lower(): d for d in yaml.safe_load_all(claimed.helm("get", "manifest", release).stdout) if d}
    for kind in ROUTES:
        # What a GitOps tool compares: the server has added no default.
        assert claimed.get(kind, ROUTE)["spec"] == written[kind]["spec"]


def _weights(kubernetes):
    rules = {kind: kubernetes.get(kind, ROUTE)["spec"]["rules"] for kind in ROUTES}
    return {kind: [backend["weight"] for backend in rules[kind][-1]["backendRefs"]] for kind in ROUTES}


def _set_weights(kubernetes, kind, weights):
    """As somebody does who moves a canary."""
    last = len(kubernetes.get(kind, ROUTE)["spec"]["rules"]) - 1
    path = f"/spec/rules/{last}/backendRefs"
    patch = [{"op": "replace", "path": f"{path}/{i}/weight", "value": weight} for i, weight in enumerate(weights)]
    kubernetes.kubectl("patch", kind, ROUTE, "--type=json", "-p", json.dumps(patch))
