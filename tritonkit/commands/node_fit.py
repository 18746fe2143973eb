"""Whether a node could run a pod: what the scheduler's filters decide, of the fields that the chart writes."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]
_UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_UNITS |= {f"{letter}i": 1024.0 ** (power + 1) for power, letter in enumerate("KMGTP")}


def misfit(pod: Document, node: Document) -> str | None:
    """Why `node` cannot run `pod` even if nothing else runs there; None if it can."""
    labels = node["metadata"].get("labels", {})
    if node["spec"].get("unschedulable"):
        return "cordoned"
    for key, value in pod.get("nodeSelector", {}).items():
        if labels.get(key) != value:
            return f"not labelled {key}={value}"
    return _affinity(pod, labels) or _taints(pod, node) or _resources(pod, node)


def room(pod: Document, node: Document) -> int:
    """How many such pods an empty node holds; 0 if one does not fit."""
    allocatable = node["status"]["allocatable"]
    places = [int(quantity(allocatable.get("pods", "110")))]
    places += [int(quantity(allocatable.get(name, "0")) // need) for name, need in _needs(pod).items() if need > 0]
    return min(places)


def quantity(text: str | float) -> float:
    """The number of a Kubernetes quantity such as 500m or 8Gi."""
    digits = str(text).rstrip("".join(set("".join(_UNITS))))
    return float(digits) * _UNITS[str(text)[len(digits) :]]


def _affinity(pod: Document, labels: Document) -> str | None:
    required = pod.get("affinity", {}).get("nodeAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution", {})
    terms = required.get("nodeSelectorTerms", [])
    reasons = [_first_failure(term.get("matchExpressions", []), labels) for term in terms]
    return reasons[0] if reasons and all(reasons) else None


def _first_failure(expressions: list[Document], labels: Document) -> str | None:
    for expression in expressions:
        key, values = expression["key"], expression.get("values", [])
        if not _holds(expression["operator"], labels.get(key), values):
            has = f"is {labels[key]}" if key in labels else "is no label"
            return f"{key} {has}, wanted {expression['operator']} {', '.join(values)}".rstrip()
    return None


def _holds(operator: str, value: str | None, values: list[str]) -> bool:
    match operator:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return value is not None and value.isdecimal() and int(value) > int(values[0])
        case _:
            return value is not None and value.isdecimal() and int(value) < int(values[0])


def _taints(pod: Document, node: Document) -> str | None:
    for taint in node["spec"].get("taints", []):
        if taint["effect"] in {"NoSchedule", "NoExecute"} and not any(
            _tolerates(toleration, taint) for toleration in pod.get("tolerations", [])
        ):
            return f"tainted {taint['key']}:{taint['effect']}"
    return None


def _tolerates(toleration: Document, taint: Document) -> bool:
    if toleration.get("effect", taint["effect"]) != taint["effect"]:
        return False
    if "key" in toleration and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("value", "") == taint.get("value", ""))


def _resources(pod: Document, node: Document) -> str | None:
    allocatable = node["status"]["allocatable"]
    for name, need in _needs(pod).items():
        if quantity(allocatable.get(name, "0")) < need:
            return f"{name} is {allocatable.get(name, 'not there')}, a pod wants {_plain(name, need)}"
    return None


def _needs(pod: Document) -> dict[str, float]:
    """What a pod takes of a node: the sum of its containers, or an init container that takes more."""
    total: dict[str, float] = {}
    for container in pod["containers"]:
        for name, need in _requests(container).items():
            total[name] = total.get(name, 0.0) + need
    for container in pod.get("initContainers", []):
        for name, need in _requests(container).items():
            total[name] = max(total.get(name, 0.0), need)
    return total


def _requests(container: Document) -> dict[str, float]:
    """A limit without a request is a request."""
    resources = container.get("resources", {})
    return {
        name: quantity(text) for name, text in {**resources.get("limits", {}), **resources.get("requests", {})}.items()
    }


def _plain(name: str, need: float) -> str:
    return f"{need / (1 << 20):.0f}Mi" if name in {"memory", "ephemeral-storage"} else f"{need:g}"
