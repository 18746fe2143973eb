"""Definitions of the objects that are not Kubernetes' own, from the Go modules of those who define them."""

from __future__ import annotations

import functools
from typing import Any

import yaml

from tests.helm.programs import go_module

# API group: a Go module with its digest, a folder, its files.
CRDS = {
    "gateway.networking.k8s.io": (
        ("sigs.k8s.io/gateway-api", "v1.5.0", "h1:duoo14Ky/fJXpjpmyMISE2RTBGnfCg8zICfTYLTnBJA="),
        "config/crd/standard",
        (
            "gateway.networking.k8s.io_httproutes",
            "gateway.networking.k8s.io_grpcroutes",
            "gateway.networking.k8s.io_backendtlspolicies",
        ),
    ),
    "keda.sh": (
        ("github.com/kedacore/keda/v2", "v2.18.0", "h1:ttR223fii/4QJ0YvtrhcWHaEoezByb/t5CeFopjl6EI="),
        "config/crd/bases",
        ("keda.sh_scaledobjects",),
    ),
    "monitoring.coreos.com": (
        (
            "github.com/prometheus-operator/prometheus-operator",
            "v0.85.0",
            "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
        ),
        "example/prometheus-operator-crd",
        (
            "monitoring.coreos.com_podmonitors",
            "monitoring.coreos.com_servicemonitors",
            "monitoring.coreos.com_prometheusrules",
        ),
    ),
}


@functools.cache
def custom_resources(group: str) -> list[dict[str, Any]]:
    """The CustomResourceDefinitions of an API group that the chart writes objects of; skips where they cannot be had."""
    module, folder, names = CRDS[group]
    files = [go_module(*module) / folder / f"{name}.yaml" for name in names]
    return [yaml.load(file.read_text(), yaml.CSafeLoader) for file in files]
