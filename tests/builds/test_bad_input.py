"""What an engineer gets wrong, and what the build says; nothing half-written stays behind any of it."""

import os
import pickle

import pytest
import torch

from builder.build import build
from tests.toy_classifier import CLASSES, NETWORK, SIDE, spec_fields, write_toy
from tritonkit.spec.errors import InputError


@pytest.fixture
def refuse(tmp_path, own_cache):
    """Builds the folder and returns what it is refused for."""

    def attempt(folder) -> str:
        with pytest.raises(InputError) as caught:
            build(folder, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".out")]
        assert not list(own_cache.glob("stages/*/.*"))
        text = str(caught.value)
        assert "\n" not in text
        return text

    return attempt


def test_a_missing_weights_file(tmp_path, refuse):
    folder = write_toy(tmp_path / "toy")
    (folder / "toy.pt").unlink()
    assert "source.weights: there is no such file" in refuse(folder)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_truncated_weights(tmp_path, refuse, suffix):
    folder = write_toy(tmp_path / "toy", source={"factory": "network:toy", "weights": f"toy{suffix}"})
    if suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(torch.load(folder / "toy.pt", weights_only=True), folder / "toy.safetensors")
    file = folder / f"toy{suffix}"
    file.write_bytes(file.read_bytes()[:-500])
    assert f"toy{suffix}: the weights are truncated" in refuse(folder)


class _SideEffect:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("nested", [False, True])
def test_a_pickle_with_a_side_effect_is_refused_and_nothing_is_executed(tmp_path, refuse, nested):
    folder = write_toy(tmp_path / "toy")
    trap = tmp_path / "executed"
    if nested:
        torch.save({"layer": _SideEffect(trap)}, folder / "toy.pt")
    else:
        (folder / "toy.pt").write_bytes(pickle.dumps(_SideEffect(trap)))
    assert "could run any code: refused, nothing was executed" in refuse(folder)
    assert not trap.exists()


def test_weights_of_another_network_name_the_keys(tmp_path, refuse):
    folder = write_toy(tmp_path / "toy")
    state = torch.load(folder / "toy.pt", weights_only=True)
    state["tail.weight"] = state.pop("head.weight")
    state["head.bias"] = torch.zeros(3)
    torch.save(state, folder / "toy.pt")
    text = refuse(folder)
    assert "1 missing: head.weight" in text
    assert "1 not in the network: tail.weight" in text
    assert "1 of another shape: head.bias [3] for [6]" in text


def test_an_input_shape_that_the_network_cannot_take_names_the_module(tmp_path, refuse):
    fields = spec_fields()
    fields["preprocess"] |= {"crop": 20}
    inputs = [{"name": "pixels", "data_type": "TYPE_FP32", "dims": [3, 20, 20]}]
    text = refuse(write_toy(tmp_path / "toy", preprocess=fields["preprocess"], inputs=inputs))
    assert "Toy.head: inputs: the network cannot run on the shapes of the spec" in text
    assert "pixels [4, 3, 20, 20]" in text


def test_an_output_shape_that_is_another_one(tmp_path, refuse):
    outputs = [{"name": "logits", "data_type": "TYPE_FP32", "dims": [7]}]
    text = refuse(write_toy(tmp_path / "toy", outputs=outputs))
    assert "outputs.logits: the network's answer is another one" in text
    assert f"expected TYPE_FP32 [{CLASSES}]" in text


def test_a_transform_that_gives_another_shape(tmp_path, refuse):
    network = NETWORK.replace("CenterCrop(16)", "CenterCrop(18)")
    text = refuse(write_toy(tmp_path / "toy", network=network))
    assert f"got [3, 18, 18]; expected [3, {SIDE}, {SIDE}]" in text


def test_a_network_that_does_not_export_names_operator_and_module(tmp_path, refuse):
    network = NETWORK.replace(
        "nn.ReLU())", "nn.ReLU(), Cholesky())"
    ).replace(
        "class Toy", """class Cholesky(nn.Module):
    def forward(self, x):
        eye = torch.eye(x.shape[-1]) * 99
        return torch.linalg.cholesky(eye + x * 0)


class Toy""",
    )  # fmt: skip
    text = refuse(write_toy(tmp_path / "toy", network=network))
    assert "the network does not export to ONNX" in text
    assert "linalg_cholesky" in text
    assert "Toy.features.3" in text


def test_data_dependent_control_flow_names_the_module(tmp_path, refuse):
    network = NETWORK.replace("nn.ReLU())", "nn.ReLU(), Choice())").replace(
        "class Toy",
        "class Choice(nn.Module):\n    def forward(self, x):\n        return x if x.sum() > 0 else -x\n\n\nclass Toy",
    )
    text = refuse(write_toy(tmp_path / "toy", network=network))
    assert "the network does not export to ONNX" in text
    assert "Toy.features.3" in text


def test_fewer_labels_than_classes(tmp_path, refuse):
    folder = write_toy(tmp_path / "toy")
    (folder / "labels.txt").write_text("one\ntwo\n")
    text = refuse(folder)
    assert "labels.txt: postprocess.labels: the number of class names is not that of the classes" in text
    assert "got 2 lines; expected 6" in text


def test_a_factory_that_is_not_there(tmp_path, refuse):
    source = {"factory": "network:tyo", "weights": "toy.pt"}
    text = refuse(write_toy(tmp_path / "toy", source=source))
    assert "source.factory: the module has no such function; got tyo; expected one of" in text


def test_a_factory_whose_import_fails(tmp_path, refuse):
    text = refuse(write_toy(tmp_path / "toy", network="import nothing_of_this_name\n"))
    assert "source.factory: the module does not import" in text
    assert "nothing_of_this_name" in text


def test_an_unknown_key_of_the_spec(tmp_path, refuse):
    text = refuse(write_toy(tmp_path / "toy", servng={}))
    assert "servng: there is no such key" in text
