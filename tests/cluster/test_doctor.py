"""`tritonkit doctor --release` predicts of a real cluster what an installation would end in."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml

from tests.helm.programs import program

pytestmark = pytest.mark.cluster


@pytest.fixture
def doctor(claimed, tmp_path):
    """Asks about values; the findings by their subject, and the exit code."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "helm").symlink_to(program("helm4"))
    (programs / "kubectl").symlink_to(program("kubectl"))

    def ask(values, namespace=claimed.namespace):
        file = tmp_path / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        command = [sys.executable, "-m", "tritonkit", "doctor", "--release", str(file), "--namespace", namespace]
        environment = os.environ | {
            "KUBECONFIG": str(claimed.kubeconfig),
            "PATH": f"{programs}:{os.environ['PATH']}",
        }
        done = subprocess.run(
            [*command, "--json"], env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.stdout, done.stderr
        return done.returncode, {finding["subject"]: finding for finding in json.loads(done.stdout)}

    return ask


def test_what_installs_is_called_fit(doctor, values):
    status, findings = doctor(values(1))
    assert status == 0, findings
    assert findings["PersistentVolumeClaim models"]["verdict"] != "fails"
    assert findings["API server"]["verdict"] == "ok"


def test_what_will_fail_is_told_before(doctor, values, claimed):
    source = {"type": "pvc", "pvc": {"claimName": "nobodys", "subPath": "x"}}
    changes = {
        "modelSource": source,
        "admin": {"existingSecret": {"name": "nobodys"}},
        "gpu": {"mode": "count"},
        "security": {"runAsUser": 1000},
        "podLabels": {"team": "no label!"},
    }
    status, findings = doctor(values(1, **changes))
    assert status == 1
    assert findings["PersistentVolumeClaim nobodys"]["detail"] == "is not there"
    assert findings["Secret nobodys"]["verdict"] == "fails"
    assert "is no label" in findings["nodes for triton-tritonkit"]["detail"]
    assert "no label!" in findings["API server"]["detail"]
    status, findings = doctor(values(1), namespace="nowhere")
    assert (status, findings["namespace"]["verdict"]) == (1, "fails")


def test_values_that_the_chart_refuses_are_findings(doctor, values):
    status, findings = doctor(values(1, triton={"grpcMaxConnectionAgeMs": 300}))
    assert status == 1
    assert "300000" in findings["triton.grpcMaxConnectionAgeMs"]["advice"]
