"""What nvidia-smi tells."""

import pytest

from builder.engines.gpus import find_gpus, one_of_each, parse_gpus
from tritonkit.spec.errors import UnavailableError

TOLD = """\
GPU-5f0b9c1e-1111, NVIDIA A10G, 8.6, 580.95.05
GPU-5f0b9c1e-2222, NVIDIA A10G, 8.6, 580.95.05
GPU-5f0b9c1e-3333, NVIDIA L4, 8.9, 580.95.05
"""


def test_one_engine_fits_all_gpus_of_a_compute_capability():
    gpus = parse_gpus(TOLD)
    assert [gpu.name for gpu in gpus] == ["NVIDIA A10G", "NVIDIA A10G", "NVIDIA L4"]
    assert [(gpu.uuid[-4:], gpu.compute_capability) for gpu in one_of_each(gpus)] == [("1111", "8.6"), ("3333", "8.9")]


def test_a_sentence_is_no_gpu():
    assert parse_gpus("No devices were found\n") == []


def test_a_machine_without_a_driver_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UnavailableError, match="no nvidia-smi"):
        find_gpus()


def test_a_driver_without_gpus_is_quoted(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'No devices were found'; exit 6\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(UnavailableError, match="No devices were found"):
        find_gpus()
