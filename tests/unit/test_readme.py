"""The README is true: its verbs exist, its make targets exist, its folders are there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tritonkit.commands.front_door import VERBS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_every_folder_of_the_tree_is_there():
    for folder in re.findall(r"^\| `([\w/]+)` \|", README, re.MULTILINE):
        assert (ROOT / folder).is_dir(), folder


def test_every_make_target_it_names_exists():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([\w-]+)`", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_verb_explains_itself_with_an_example(verb):
    done = subprocess.run(
        [sys.executable, "-m", "tritonkit", verb.name, "--help"],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"tritonkit {verb.name}" in done.stdout.split("example:")[1]


def test_help_imports_nothing_heavy():
    """0.06 s where this was written; on a busy machine a clock says nothing, and what is imported says all."""
    # `--help` ends the process by SystemExit, so an exit handler lists the modules.
    program = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from tritonkit.commands import main; main(['--help'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=400, check=False)
    heavy = {"torch", "numpy", "pydantic", "grpc", "onnx", "onnxruntime", "rich", "google.protobuf", "locust", "yaml"}
    assert "tritonkit.commands" in done.stderr.split()
    assert heavy.isdisjoint(done.stderr.split())
