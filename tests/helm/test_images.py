"""Dockerfiles and the chart, under scanners that others use."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tests.helm.chart import CHART, profile_values, render_text
from tests.helm.programs import program

ROOT = CHART.parents[1]
# Findings of trivy that stand, and why. Anything else fails.
ARGUED = {
    "KSV-0020": "uid 1000 is the user of NVIDIA's image; security.runAsUser takes another",
    "KSV-0021": "gid 1000 is the group of NVIDIA's image; security.runAsGroup takes another",
    "KSV-0125": "which registries are trusted is the cluster's to say",
}


@pytest.mark.parametrize("file", ["Dockerfile", "Dockerfile.triton"])
def test_hadolint_is_silent(file):
    done = subprocess.run([program("hadolint"), ROOT / file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("file", ["Dockerfile", "Dockerfile.triton"])
def test_the_image_ends_as_a_numbered_user(file):
    users = re.findall(r"^USER (\S+)", (ROOT / file).read_text(), re.MULTILINE)
    assert users[-1] == "1000:1000"


def test_the_image_copies_nothing_that_the_builder_is_not_given():
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE):
        for source in line.split():
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignore or f"!{source.partition('/')[0]}/**" in ignore, source


def test_the_packages_come_from_the_manifest(tmp_path):
    """The command of Dockerfile.triton, run on a manifest."""
    text = (ROOT / "Dockerfile.triton").read_text()
    (command,) = re.findall(r'python3 -c "(.+?)"', text, re.DOTALL)
    parts = [{"python_packages": {"pillow": "13.0.0", "numpy": "1.26.4"}}, {"python_packages": {"numpy": "1.26.4"}}]
    (tmp_path / "manifest.json").write_text(json.dumps({"parts": parts}))
    code = command.replace("\\\n    ", "").replace("/opt/tritonkit", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["numpy==1.26.4", "pillow==13.0.0"]


def test_the_kit_needs_no_torch_for_what_its_image_does():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import tritonkit.commands.verify, tritonkit.commands.parity, tritonkit.commands.health\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("profile", ["production", "canary", "s3-identity", "load-test"])
def test_trivy_finds_nothing_that_is_not_argued(profile, tmp_path):
    (tmp_path / "rendered.yaml").write_text(render_text(profile_values(profile)))
    command = [program("trivy"), "config", "--quiet", "--format", "json", "--skip-check-update", "--skip-version-check"]
    done = subprocess.run(
        [*command, "--disable-telemetry", "--cache-dir", tmp_path / "cache", tmp_path / "rendered.yaml"],
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["Results"]
    found = {(m["ID"], m["Title"], m["Message"]) for result in results for m in result.get("Misconfigurations", [])}
    assert not [finding for finding in found if finding[0] not in ARGUED]
    assert sum(result["MisconfSummary"]["Successes"] for result in results) > 50
