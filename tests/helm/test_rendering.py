"""Every profile, under both major versions of Helm: lint, the schemas of Kubernetes and of the operators, sameness."""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import referencing
import yaml

from tests.helm.chart import (
    CHART,
    HELMS,
    MINIMAL,
    NEWEST,
    OLDEST,
    PROFILES,
    merged,
    profile_file,
    profile_values,
    render,
    render_profile,
    render_text,
)
from tests.helm.custom_resources import CRDS, custom_resources
from tests.helm.programs import program

KUBERNETES = tuple(f"1.{minor}" for minor in range(29, 38))
# What a profile uses that older clusters do not have.
SINCE = {"dra": "1.34", "image-volume": "1.35"}
OPERATORS = frozenset(CRDS)


def supported(profile: str) -> tuple[str, ...]:
    first = SINCE.get(profile, OLDEST)
    return tuple(version for version in KUBERNETES if version >= first)


@pytest.mark.parametrize("helm", HELMS)
def test_lint_is_clean(helm):
    for profile in PROFILES:
        command = [program(helm), "lint", "--strict", CHART, "-f", profile_file(profile)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{profile}: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("profile", PROFILES)
def test_both_majors_of_helm_render_the_same(profile):
    objects = [
        sorted(render_profile(profile, helm=helm), key=lambda d: (d["kind"], d["metadata"]["name"])) for helm in HELMS
    ]
    assert objects[0] == objects[1]


@pytest.mark.parametrize("profile", PROFILES)
def test_rendering_twice_gives_the_same_bytes(profile):
    command = [program("helm4"), "template", "demo", CHART, "--kube-version", NEWEST, "-f", profile_file(profile)]
    first, second = (subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2))
    assert first == second


@pytest.mark.parametrize("profile", PROFILES)
def test_objects_satisfy_the_schemas_of_every_kubernetes(profile):
    for version in supported(profile):
        rendered_for = OLDEST if version == OLDEST else NEWEST
        for document in render_profile(profile, kubernetes=rendered_for):
            if document["apiVersion"].partition("/")[0] not in OPERATORS:
                problem = _problem(version, json.dumps(document))
                assert problem is None, f"{version} {document['kind']} {document['metadata']['name']}: {problem}"


def test_what_is_rendered_differs_for_the_oldest_kubernetes_alone():
    texts = {version: render_text(profile_values("production"), kubernetes=version) for version in KUBERNETES}
    assert len({text for version, text in texts.items() if version != OLDEST}) == 1


@functools.cache
def _problem(version: str, document: str) -> str | None:
    """Many objects are the same in many profiles."""
    read = json.loads(document)
    found = jsonschema.exceptions.best_match(_validator(version, read["apiVersion"], read["kind"]).iter_errors(read))
    return None if found is None else str(found)


@functools.cache
def _schemas(version: str) -> tuple[Path, referencing.Registry]:
    folder = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    definitions = referencing.Resource.from_contents(json.loads((folder / "_definitions.json").read_text()))
    return folder, definitions @ referencing.Registry()


@functools.cache
def _validator(version: str, api: str, kind: str) -> jsonschema.Draft202012Validator:
    """Named as the package names its files: the API's group without its domain."""
    folder, registry = _schemas(version)
    group, _, number = api.rpartition("/")
    name = "-".join(part for part in (kind.lower(), group.partition(".")[0], number) if part)
    resource = referencing.Resource.from_contents(json.loads((folder / f"{name}.json").read_text()))
    return jsonschema.Draft202012Validator(resource.contents, registry=resource @ registry)


@functools.cache
def _custom_schemas() -> dict[tuple[str, str], jsonschema.Draft202012Validator]:
    validators = {}
    for group in sorted(OPERATORS):
        for crd in custom_resources(group):
            for served in crd["spec"]["versions"]:
                schema = _closed(served["schema"]["openAPIV3Schema"])
                # Of an object's metadata a CRD says only that it is one.
                schema["properties"]["metadata"] = {"type": "object"}
                validators[f"{group}/{served['name']}", crd["spec"]["names"]["kind"]] = jsonschema.Draft202012Validator(
                    schema
                )
    return validators


def _closed(schema: dict) -> dict:
    """The schema with unknown fields refused, as a strict API server does, and numbers that may be strings allowed."""
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    result = {}
    for key, value in schema.items():
        if key == "properties":
            result[key] = {name: _closed(child) for name, child in value.items()}
        elif key in {"items", "additionalProperties"} and isinstance(value, dict):
            result[key] = _closed(value)
        else:
            result[key] = value
    open_ended = "additionalProperties" in result or schema.get("x-kubernetes-preserve-unknown-fields")
    if "properties" in result and not open_ended:
        result["additionalProperties"] = False
    return result


@pytest.mark.parametrize("profile", ["production", "canary", "hpa", "tls"])
def test_objects_of_operators_satisfy_their_schemas(profile):
    seen = set()
    for document in render_profile(profile):
        validator = _custom_schemas().get((document["apiVersion"], document["kind"]))
        if validator is not None:
            seen.add(document["kind"])
            problem = jsonschema.exceptions.best_match(validator.iter_errors(document))
            assert problem is None, f"{document['kind']}: {problem}"
    assert seen >= {"PrometheusRule"}


def test_the_schema_of_an_operator_refuses_what_it_does_not_know():
    (route,) = (d for d in render_profile("canary") if d["kind"] == "HTTPRoute")
    route["spec"]["rules"][0]["weight"] = 1
    assert list(_custom_schemas()["gateway.networking.k8s.io/v1", "HTTPRoute"].iter_errors(route))


def test_two_releases_in_a_namespace_share_nothing():
    values = merged(profile_values("canary"), {"loadTest": {"enabled": True}, "admin": {"apis": ["trace"]}})
    one, other = (render(values, name=name) for name in ("one", "two"))
    names = [{(d["kind"], d["metadata"]["name"]) for d in release} for release in (one, other)]
    assert not names[0] & names[1]
    pods = [d["spec"]["template"]["metadata"]["labels"] for d in one if d["kind"] in {"Deployment", "Job"}]
    for document in other:
        spec = document.get("spec", {})
        chosen = spec.get("podSelector") or spec.get("selector") or {}
        labels = chosen.get("matchLabels", chosen)
        if document["kind"] in {"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy", "ServiceMonitor"}:
            assert labels, document["kind"]
            assert not any(labels.items() <= pod.items() for pod in pods), (
                f"{document['kind']} selects the other's pods"
            )


def test_names_of_objects_are_short_enough_for_a_service():
    for document in render(
        merged(profile_values("canary"), {"loadTest": {"enabled": True}, "admin": {"apis": []}}), name="n" * 53
    ):
        assert len(document["metadata"]["name"]) <= 63, document["metadata"]["name"]


def test_every_object_names_its_namespace():
    assert all(d["metadata"]["namespace"] == "serving" for d in render(MINIMAL))


def test_without_operators_nothing_of_theirs_is_rendered():
    command = [program("helm4"), "template", "demo", CHART, "-f", "-"]
    text = subprocess.run(command, input=yaml.safe_dump(MINIMAL), capture_output=True, text=True, check=True).stdout
    assert {d["apiVersion"] for d in yaml.safe_load_all(text) if d} <= {
        "v1",
        "apps/v1",
        "policy/v1",
        "networking.k8s.io/v1",
    }
    assert "PrometheusRule" in render_text(MINIMAL)


def test_notes_name_the_next_command():
    command = [program("helm4"), "install", "demo", CHART, "--dry-run=client", "-f", "-"]
    text = subprocess.run(command, input=yaml.safe_dump(MINIMAL), capture_output=True, text=True, check=True).stdout
    notes = text.partition("NOTES:")[2]
    assert "helm -n default test demo" in notes
    assert "Nobody but the chart's own tests may call it" in notes
