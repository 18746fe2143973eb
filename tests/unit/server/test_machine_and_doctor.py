"""Which machines run the wheel's server, and what doctor says of a repository."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from tests.cases.onnxruntime_models import CASES, write_case
from tritonkit.server import doctor
from tritonkit.server.environment import existing_environment
from tritonkit.server.machine import Machine, require_wheel_support, why_not
from tritonkit.spec.errors import InputError, UnavailableError

GOOD = Machine(system="linux", architecture="x86_64", glibc=(2, 36), python=(3, 11), libpython="/usr/lib")


def test_a_plain_linux_machine_runs_it() -> None:
    assert why_not(GOOD) is None
    assert why_not(replace(GOOD, libpython="")) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"system": "darwin"}, "Linux only"),
        ({"architecture": "aarch64"}, "x86_64 only"),
        ({"glibc": (2, 31)}, "glibc 2.35 or newer, and this machine has 2.31"),
        ({"glibc": None}, "another C library"),
        ({"python": (3, 13)}, "Python 3.11 or 3.12"),
        ({"libpython": None}, "libpython3.11.so.1.0"),
    ],
)
def test_what_cannot_run_it_is_named(change: dict, words: str) -> None:
    assert words in str(why_not(replace(GOOD, **change)))


def test_the_error_names_the_container(monkeypatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UnavailableError, match=r"--runtime docker --image nvcr\.io/nvidia/tritonserver:26\.07-py3"):
        require_wheel_support("26.07")
    assert existing_environment("26.07") is None


def _case(name: str):
    return next(case for case in CASES if case.name == name)


def test_doctor_foresees_what_the_machine_cannot_serve(tmp_path) -> None:
    write_case(_case("select_backend"), tmp_path)
    trt = tmp_path / "engine"
    (trt / "1").mkdir(parents=True)
    (trt / "1" / "model.plan").write_bytes(b"")
    (trt / "config.pbtxt").write_text('backend: "tensorrt"\n')
    step = tmp_path / "step"
    (step / "1").mkdir(parents=True)
    (step / "1" / "model.py").write_text(
        "import json, numpy, helper\nimport no_such_package\nclass TritonPythonModel: ..."
    )
    (step / "1" / "helper.py").write_text("from PIL import Image\n")
    (step / "config.pbtxt").write_text('backend: "python"\n')
    findings = doctor.examine_repository(tmp_path, "26.07")
    fails = {finding.subject: finding.detail for finding in findings if finding.verdict == "fails"}
    assert "no_such_package" in fails["model step"]
    assert "helper" not in fails["model step"]
    assert any(f.subject == "model engine" and "tensorrt" in f.detail for f in findings)
    assert "model select_backend" not in fails


def test_doctor_of_nothing_is_an_input_error(tmp_path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        doctor.examine_repository(tmp_path / "nowhere", "26.07")


def test_doctor_of_this_machine_gives_every_subject() -> None:
    subjects = {finding.subject for finding in doctor.examine_machine("26.07")}
    assert subjects >= {"system", "server environment", "cache", "shared memory", "ports", "GPU", "container engine"}


def test_imports_are_read_without_running_the_file(tmp_path) -> None:
    source = tmp_path / "model.py"
    source.write_text("import a.b, c\nfrom d.e import f\nfrom . import g\nraise SystemExit\n")
    assert doctor.imported_modules(source) == ("a", "c", "d")
    source.write_text("this is not Python")
    assert doctor.imported_modules(source) == ()
