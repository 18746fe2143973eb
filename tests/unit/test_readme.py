"""The README is true: its verbs exist, its make targets exist, its folders are there."""

import re
import subprocess
import sys
import time
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
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"tritonkit {verb.name}" in done.stdout.split("example:")[1]


def test_help_is_there_at_once():
    seconds = []
    for _ in range(3):
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "tritonkit", "--help"], capture_output=True, check=True, timeout=30)
        seconds.append(time.monotonic() - began)
    assert min(seconds) < 0.3
