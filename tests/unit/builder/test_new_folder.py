"""The folder that `tritonkit new` writes, and the reasons for which it writes none."""

import sys

import pytest
import yaml
from safetensors.torch import load_file

from tritonkit.commands.front_door import main
from tritonkit.spec.errors import ConflictError, InputError

HELPER = "import torch\nWIDTH = 3\n"
NETWORK = """
import torch
from layers_of_mine import sizes

def network():
    return torch.nn.Linear(sizes.WIDTH, 2)

def example():
    return torch.ones(2, sizes.WIDTH)

def text():
    return "text"

def fails():
    raise RuntimeError("no such luck")

def picture():
    return torch.ones(1, 3, 64, 64)

def wide():
    return torch.ones(2, 7)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a module of the user's, forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "network_of_mine.py").write_text(NETWORK)
    (tmp_path / "layers_of_mine").mkdir()
    (tmp_path / "layers_of_mine" / "__init__.py").write_text("")
    (tmp_path / "layers_of_mine" / "sizes.py").write_text(HELPER)
    yield tmp_path
    for name in [name for name in sys.modules if "of_mine" in name]:
        del sys.modules[name]


def _new(*words):
    # --debug raises what otherwise prints as one line.
    return main(["new", *words, "--debug"])


def test_the_folder_holds_code_numbers_spec_and_readme(here, capsys):
    assert _new("made/fresh", "--from", "network_of_mine:network") == 0
    folder = here / "made" / "fresh"
    assert {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()} == {
        "model.yaml",
        "README.md",
        "example.npz",
        "weights.safetensors",
        "network_of_mine.py",
        "layers_of_mine/__init__.py",
        "layers_of_mine/sizes.py",
    }
    spec = yaml.safe_load((folder / "model.yaml").read_text())
    assert spec["name"] == "fresh"
    assert spec["inputs"] == [{"name": "input", "data_type": "TYPE_FP32", "dims": [3]}]
    assert load_file(folder / "weights.safetensors")["weight"].shape == (2, 3)
    assert "tritonkit build made/fresh" in (folder / "README.md").read_text()
    assert "tritonkit build made/fresh" in capsys.readouterr().out


def test_what_is_installed_is_named_not_copied(here):
    assert _new("vision", "--from", "torchvision.models:squeezenet1_1", "--example", "network_of_mine:picture") == 0
    assert {file.name for file in (here / "vision").iterdir()} == {
        "model.yaml",
        "README.md",
        "example.npz",
        "weights.safetensors",
    }
    assert "factory: torchvision.models:squeezenet1_1" in (here / "vision" / "model.yaml").read_text().replace("'", "")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--from", "nothing_of_mine:network"), "--from: the module does not import"),
        (("--from", "network_of_mine:nothing"), "--from: the module has no such function; got nothing"),
        (("--from", "network_of_mine"), "--from is no such word; got 'network_of_mine'; expected module:function"),
        (("--from", "network_of_mine:text"), "--from returned no network"),
        (("--from", "network_of_mine:fails"), "--from fails: it is called without arguments"),
        (("--from", "network_of_mine:network", "--example", "network_of_mine:fails"), "RuntimeError: no such luck"),
        (
            ("--from", "network_of_mine:network", "--example", "network_of_mine:wide"),
            "the network fails on the example",
        ),
        (("--from", "network_of_mine:network", "--weights", "no.safetensors"), "--weights: there is no such file"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(here, words, told):
    with pytest.raises(InputError) as caught:
        _new("fresh", *words)
    assert told in str(caught.value)
    assert not (here / "fresh").exists()
    assert not list(here.glob(".new-*"))


def test_without_an_example_it_says_how_to_give_one(here):
    (here / "bare_of_mine.py").write_text("import torch\ndef network():\n    return torch.nn.Linear(1, 1)\n")
    with pytest.raises(InputError, match="write a function `example` that returns one batch of input"):
        _new("fresh", "--from", "bare_of_mine:network")


def test_an_existing_folder_is_left_alone(here):
    (here / "fresh").mkdir()
    (here / "fresh" / "mine.txt").write_text("mine")
    with pytest.raises(ConflictError, match="the folder exists; nothing was written"):
        _new("fresh", "--from", "network_of_mine:network")
    assert [file.name for file in (here / "fresh").iterdir()] == ["mine.txt"]


def test_a_name_that_no_model_may_have(here):
    with pytest.raises(InputError, match="NAME is no such word; got 'Fresh-1'; expected small letters"):
        _new("Fresh-1", "--from", "network_of_mine:network")
