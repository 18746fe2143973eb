"""`tritonkit deploy`: from a repository to values that the chart takes."""

from __future__ import annotations

import argparse
import json

import pytest
import yaml

from tests.helm.chart import named, render, server
from tests.helm.repositories import write_candidate
from tritonkit.commands import deploy
from tritonkit.repository.verify import verify
from tritonkit.spec.errors import GateError, InputError

KIT = "registry.example.com:5000/ml/tritonkit:0.1.0@sha256:" + "2" * 64


def _arguments(*words):
    parser = argparse.ArgumentParser()
    deploy.add_arguments(parser)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(words)


@pytest.fixture
def repository(tmp_path):
    return write_candidate(tmp_path / "build" / "repository")


def _deploy(repository, *words):
    file = repository.parent / "values.yaml"
    args = _arguments(str(repository), "--model", "toy", "--kit-image", KIT, "--values", str(file), *words)
    assert deploy.run(args) == 0
    return yaml.safe_load(file.read_text())


def test_the_values_render_and_pin_what_was_proven(repository, capsys):
    values = _deploy(repository, "--claim", "models", "--cpu")
    digest = verify(repository, "toy").manifest_sha256
    assert values["models"] == [{"name": "toy", "manifestSha256": digest}]
    assert values["modelSource"]["pvc"] == {"claimName": "models", "subPath": "repository"}
    documents = render(values)
    container = server(documents)
    assert container["image"] == "nvcr.io/nvidia/tritonserver:26.07-py3"
    assert "nvidia.com/gpu" not in container["resources"]["limits"]
    pod = named(documents, "Deployment", "demo-tritonkit")["spec"]["template"]["spec"]
    assert pod["initContainers"][0]["image"] == KIT
    assert "helm upgrade --install triton" in capsys.readouterr().out


def test_memory_follows_from_instances(repository):
    values = _deploy(repository, "--claim", "models", "--cpu")
    # Two Python instances; two of a model of 3 MiB, each twice over.
    assert values["shm"]["sizeLimit"] == "128Mi"
    least = 512 + 2 * 2 * 3 + 2 * 192 + 128
    assert int(values["resources"]["requests"]["memory"].removesuffix("Mi")) >= least
    assert values["modelSource"]["sizeLimit"] == "64Mi"


def test_the_probes_budget_follows_from_the_measured_load(repository):
    assert "startup" not in _deploy(repository, "--claim", "models")
    stage = repository.parent / "stage"
    stage.mkdir()
    (stage / "result.json").write_text(json.dumps({"result": {"load_seconds": 12.3}}))
    report = {"stages": [{"name": "served", "folder": str(stage)}]}
    (repository.parent / "build.json").write_text(json.dumps(report))
    values = _deploy(repository, "--claim", "models")
    assert values["startup"] == {"maxLoadSeconds": 123}
    assert server(render(values))["startupProbe"]["failureThreshold"] == 25
    assert _deploy(repository, "--claim", "models", "--load-seconds", "1")["startup"] == {"maxLoadSeconds": 60}


def test_a_store_needs_its_region(repository):
    values = _deploy(repository, "--s3", "bucket/toy/1", "--region", "eu-central-1")
    assert values["modelSource"]["s3"] == {"bucket": "bucket", "prefix": "toy/1", "region": "eu-central-1"}
    assert render(values)
    with pytest.raises(InputError, match="region"):
        _deploy(repository, "--s3", "bucket/toy/1")


@pytest.mark.parametrize(
    ("words", "source"),
    [
        (("--gcs", "gs://bucket/toy/1/"), {"type": "gcs", "gcs": {"bucket": "bucket", "prefix": "toy/1"}}),
        (
            ("--azure", "account/container/toy/1"),
            {"type": "azure", "azure": {"account": "account", "container": "container", "prefix": "toy/1"}},
        ),
        (("--gcs", "bucket"), {"type": "gcs", "gcs": {"bucket": "bucket", "prefix": ""}}),
    ],
)
def test_every_store_has_its_place(repository, words, source):
    values = _deploy(repository, *words)
    assert source.items() <= values["modelSource"].items()
    assert render(values)


@pytest.mark.parametrize("words", [("--gcs", "gs://"), ("--azure", "account")])
def test_a_place_without_its_names_is_refused(repository, words):
    with pytest.raises(InputError, match="no place in a store"):
        _deploy(repository, *words)


def test_what_was_changed_is_not_deployed(repository):
    next(repository.glob("toy_fp32_*/1/model.onnx")).write_bytes(b"other")
    with pytest.raises(GateError, match="does not hold what was proven"):
        _deploy(repository, "--claim", "models")


@pytest.mark.parametrize("image", ["", ":26.07", "a/b@md5:1", "a/b:"])
def test_what_is_no_image_is_refused(repository, image):
    with pytest.raises(InputError, match="no image"):
        _deploy(repository, "--claim", "models", f"--image={image}") if image else deploy._image(image)
