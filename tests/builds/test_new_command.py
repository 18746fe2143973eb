"""`tritonkit new`: the example folder is what it writes, and what it writes builds at once."""

import shutil
from pathlib import Path

import pytest

from builder.build import build
from tritonkit.commands.front_door import main

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "bring_your_own"

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("new"), pytest.mark.timeout(900)]


def test_what_new_writes_is_the_example_and_builds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # All that the user brings: a module and its weights.
    for name in ("flowers.py", "flowers.safetensors"):
        shutil.copy(EXAMPLE / name, tmp_path)
    words = ["--from", "flowers:flowers", "--weights", "flowers.safetensors"]
    assert main(["new", "examples/bring_your_own", *words]) == 0
    written = tmp_path / "examples" / "bring_your_own"
    committed = {file.name: file.read_bytes() for file in EXAMPLE.iterdir() if file.is_file()}
    assert {file.name: file.read_bytes() for file in written.iterdir()} == committed, "write the example anew"

    report = build(written, tmp_path / "out")
    served = report.variants[0].served
    assert served.passed
    assert {comparison.level for comparison in served.comparisons} == {"artefact", "served", "end_to_end"}
    assert {comparison.samples for comparison in served.comparisons if comparison.level == "end_to_end"} == {4}
