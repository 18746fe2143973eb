"""What is written twice stays the same: schema, tables, dashboard, releases, runbooks, profiles."""

from __future__ import annotations

import importlib.util
import sys

import jsonschema
import pytest
import yaml

from tests.helm.chart import CHART, PROFILES, profile_values, render
from tritonkit.spec import ngc


@pytest.fixture(scope="module")
def generate():
    folder = CHART.parent
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location("chart_generate", folder / "generate.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["chart_generate"] = module
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return module


def test_generated_files_are_those_of_values_yaml(generate):
    for path, text in generate.generated().items():
        assert path.read_text() == text, f"{path.name} is stale: run `python helm/generate.py`"


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_satisfy_the_schema(profile):
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    jsonschema.Draft7Validator(schema).validate(profile_values(profile))


def test_release_table_is_the_kits():
    table = yaml.safe_load((CHART / "files" / "releases.yaml").read_text())
    assert table["releases"] == {release.name: release.triton for release in ngc.RELEASES}
    assert table["minimum"] == ngc.MINIMUM_NETWORK_RELEASE
    assert table["flagsSince"] == ngc.FLAGS_SINCE


def test_chart_and_kit_have_one_version():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = (CHART.parents[1] / "pyproject.toml").read_text()
    assert f'version = "{chart["appVersion"]}"' in project
    assert chart["version"] == chart["appVersion"]


def test_every_alert_has_a_runbook_and_every_runbook_an_alert():
    values = profile_values("production") | {"triton": {"responseCacheBytes": 1 << 20}}
    (rules,) = (d for d in render(values) if d["kind"] == "PrometheusRule")
    alerts = {rule["alert"] for group in rules["spec"]["groups"] for rule in group["rules"] if "alert" in rule}
    pages = {page.stem for page in (CHART.parents[1] / "docs" / "runbooks").glob("Triton*.md")}
    assert alerts == pages
    assert len(alerts) >= 10
