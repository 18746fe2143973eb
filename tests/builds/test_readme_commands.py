"""The README's own command lines, run in its order on the real weights."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent.parent

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("readme"), pytest.mark.timeout(900)]


def test_the_commands_of_the_readme_do_what_they_say(tmp_path):
    block = re.search(r"## Verbs\n\n```\n(.*?)```", (HOUSE / "README.md").read_text(), re.DOTALL)
    shutil.copytree(HOUSE / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "model_repository").mkdir()
    program = Path(sys.executable).with_name("tritonkit")
    lines = block.group(1).strip().splitlines()
    assert len(lines) >= 5
    for line in lines:
        words = shlex.split(line)
        assert words[0] == "tritonkit"
        done = subprocess.run(
            [program, *words[1:]], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "model_repository" / "efficientnet_lite0" / "config.pbtxt").is_file()
