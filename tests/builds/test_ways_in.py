"""Every way in and every kind, each built, served and held to its reference through a real Triton."""

import json
import textwrap
import warnings

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper

from builder.build import build
from clients import Client, ClientError
from tritonkit.server import ServerOptions, TritonServer
from tritonkit.server.served import served_models
from tritonkit.spec.errors import InputError

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("ways in"), pytest.mark.timeout(1200)]


def _write(folder, files, **spec):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(textwrap.dedent(text))
    fields = {
        "schema_version": 1,
        "name": "way",
        "variants": [{"name": "fp32"}],
        "serving": {"variant": "fp32", "max_batch_size": 4},
        "samples": {"random": 2},
    }
    (folder / "model.yaml").write_text(yaml.safe_dump(fields | spec, sort_keys=False))
    return folder


def _levels(report):
    chosen = next(variant for variant in report.variants if variant.name == report.variant)
    assert chosen.served.passed
    return {(comparison.level, comparison.protocol, comparison.batch) for comparison in chosen.served.comparisons}


def _tensor(name, dims, data_type="TYPE_FP32", **more):
    return {"name": name, "data_type": data_type, "dims": dims, **more}


def _two_by_two(file, *, batch="N", external=False):
    """tokens [N, S] int64, scale [N, 1] -> doubled [N, S] float, total [N, 1]."""
    table = numpy_helper.from_array(np.random.default_rng(0).standard_normal((100, 1)).astype(np.float32), "table")
    shape = numpy_helper.from_array(np.array([2]), "axis")
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "tokens"], ["looked"]),
            helper.make_node("Squeeze", ["looked", "axis"], ["flat"]),
            helper.make_node("Mul", ["flat", "scale"], ["doubled"]),
            helper.make_node("ReduceSum", ["doubled", "last"], ["total"], keepdims=1),
        ],
        "two",
        [
            helper.make_tensor_value_info("tokens", TensorProto.INT64, [batch, "S"]),
            helper.make_tensor_value_info("scale", TensorProto.FLOAT, [batch, 1]),
        ],
        [
            helper.make_tensor_value_info("doubled", TensorProto.FLOAT, [batch, "S"]),
            helper.make_tensor_value_info("total", TensorProto.FLOAT, [batch, 1]),
        ],
        [table, shape, numpy_helper.from_array(np.array([1]), "last")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save_model(model, file, save_as_external_data=external, location=f"{file.name}.data", size_threshold=100)


TWO = {
    "inputs": [_tensor("tokens", [-1], "TYPE_INT64", free=["length"]), _tensor("scale", [1])],
    "outputs": [_tensor("doubled", [-1], free=["length"]), _tensor("total", [1])],
}


def test_an_onnx_file_with_several_tensors_free_dimensions_and_external_data(tmp_path):
    folder = _write(
        tmp_path / "way", {}, source={"file": "two.onnx"}, **TWO, samples={"random": 2, "sizes": {"length": [1, 5, 30]}}
    )
    _two_by_two(folder / "two.onnx", external=True)
    report = build(folder, tmp_path / "out")
    assert _levels(report) == {
        (level, protocol, batch)
        for level in ("artefact", "served", "end_to_end")
        for protocol in ("grpc", "http")
        for batch in (1, 2, 4)
    }
    samples = {c.worst_sample for c in report.variants[0].served.comparisons}
    assert any("length" in sample for sample in samples)
    assert list((tmp_path / "out" / "repository").glob("way_fp32_*/1/model.onnx"))


def test_a_network_without_a_batch_dimension(tmp_path):
    network = """
        import torch
        class Outer(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = torch.nn.Parameter(torch.arange(12.0).reshape(3, 4))
            def forward(self, left, right):
                return {"product": self.weight @ left, "sum": right + 1}
        def outer():
            return Outer()
    """
    folder = _write(
        tmp_path / "way",
        {"network.py": network},
        source={"factory": "network:outer", "weights": "outer.safetensors"},
        inputs=[_tensor("left", [4, -1]), _tensor("right", [2])],
        outputs=[_tensor("product", [3, -1]), _tensor("sum", [2])],
        serving={"variant": "fp32", "max_batch_size": 0},
    )
    import torch
    from safetensors.torch import save_file

    save_file({"weight": torch.arange(12.0).reshape(3, 4)}, folder / "outer.safetensors")
    report = build(folder, tmp_path / "out")
    assert _levels(report) == {
        (level, protocol, 0) for level in ("artefact", "served", "end_to_end") for protocol in ("grpc", "http")
    }


@pytest.mark.parametrize("form", ["network.pt2", "network.pt"])
def test_an_exported_program_and_torchscript(tmp_path, form):
    import torch

    network = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh()).eval()
    folder = _write(
        tmp_path / "way",
        {},
        source={"file": form},
        inputs=[_tensor("input", [3])],
        outputs=[_tensor("answer", [5])],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if form.endswith(".pt2"):
            free = {"input": {0: torch.export.Dim.DYNAMIC}}
            torch.export.save(torch.export.export(network, (torch.zeros(2, 3),), dynamic_shapes=free), folder / form)
        else:
            torch.jit.save(torch.jit.trace(network, torch.zeros(2, 3)), folder / form)
    report = build(folder, tmp_path / "out")
    assert ("end_to_end", "http", 4) in _levels(report)
    assert report.parameters == 20


PRE = """
    import numpy as np
    from pathlib import Path

    FACTOR = float((Path(__file__).parent / "factor.txt").read_text())

    def preprocess(requests):
        for request in requests:
            if (request["amount"] < 0).any():
                raise ValueError("an amount is negative")
        return [{"x": np.concatenate([r["amount"], r["amount"] * FACTOR], axis=1).astype(np.float32)} for r in requests]
"""
POST = """
    import numpy as np

    def postprocess(requests):
        return [
            {"verdict": np.array([[b"high" if row.sum() > 0 else b"low"] for row in r["y"]], dtype=object)} for r in requests
        ]
"""
LINEAR = """
    import torch
    def linear():
        return torch.nn.Linear(2, 3)
"""


def _own_steps(folder, **more):
    import torch

    spec = {
        "source": {"factory": "network:linear", "weights": "linear.pt"},
        "inputs": [_tensor("x", [2])],
        "outputs": [_tensor("y", [3])],
        "preprocess": {
            "kind": "python",
            "file": "pre.py",
            "files": ["factor.txt"],
            "inputs": [_tensor("amount", [1])],
            "packages": {"numpy": "<2"},
            "serving": {"instance_group": [{"kind": "KIND_CPU", "count": 2}]},
        },
        "postprocess": {"kind": "python", "file": "post.py", "outputs": [_tensor("verdict", [1], "TYPE_STRING")]},
        "samples": {"random": 2, "requests": "requests.json"},
    }
    files = {"network.py": LINEAR, "pre.py": PRE, "post.py": POST, "factor.txt": "0.5\n"}
    _write(folder, files, **(spec | more))
    torch.manual_seed(0)
    torch.save(torch.nn.Linear(2, 3).state_dict(), folder / "linear.pt")
    (folder / "requests.json").write_text(json.dumps([{"amount": value} for value in (1.0, 20.0, 0.25, 3.0, 7.5)]))
    return folder


def test_steps_of_the_users_own_run_in_the_pipeline_and_a_bad_request_fails_alone(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    folder = _own_steps(tmp_path / "way")
    report = build(folder, tmp_path / "out")
    assert {level for level, _, _ in _levels(report)} == {"preprocess", "artefact", "served", "end_to_end"}
    repository = tmp_path / "out" / "repository"
    manifest = json.loads((repository / "way" / "1" / "manifest.json").read_text())
    assert [part["role"] for part in manifest["parts"]] == ["preprocess", "model", "postprocess"]
    pre = next(repository.glob("way_preprocess_*"))
    assert {"model.py", "pre.py", "factor.txt", "parameters.json"} == {file.name for file in (pre / "1").iterdir()}
    assert "count: 2" in (pre / "config.pbtxt").read_text()
    with TritonServer(ServerOptions(repository, models=("way",))) as server, Client(server.grpc_url) as client:

        def ask(amount):
            try:
                return client.infer("way", {"amount": np.array([[amount]], np.float32)})["verdict"].tolist()
            except ClientError as error:
                return str(error)

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, [1.0, -1.0] * 10))
    assert all(answer in ([["high"]], [["low"]], [[b"high"]], [[b"low"]]) for answer in answers[0::2]), answers[:2]
    assert all("an amount is negative" in answer for answer in answers[1::2])

    changed = tmp_path / "changed"
    _own_steps(changed, postprocess={**yaml.safe_load((folder / "model.yaml").read_text())["postprocess"]})
    (changed / "post.py").write_text(textwrap.dedent(POST).replace('b"low"', 'b"small"'))
    again = build(changed, tmp_path / "again")
    assert {run.name: run.cached for run in again.stages} == {
        "capture": True,
        "convert": True,
        "artefact": True,
        "assemble": False,
        "served": False,
    }


def test_a_step_that_disagrees_with_the_transform_is_refused(tmp_path):
    wrong = (
        LINEAR
        + "\n    def transform(sample):\n        return torch.tensor([sample['amount'][0], sample['amount'][0] * 0.51])\n"
    )
    folder = _own_steps(
        tmp_path / "way",
        source={"factory": "network:linear", "weights": "linear.pt", "transform": "network:transform"},
    )
    (folder / "network.py").write_text(textwrap.dedent(wrong))
    with pytest.raises(Exception, match=r"x differs from its reference \(preprocess"):
        build(folder, tmp_path / "out")


def test_text_and_tables(tmp_path):
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers

    known = ("[PAD]", "[UNK]", "a", "red", "fox", "jumps", "over", "one", "lazy", "dog")
    words = {word: index for index, word in enumerate(known)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    mean = """
        import torch
        class Mean(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.table = torch.nn.Embedding(100, 4)
            def forward(self, input_ids, attention_mask):
                mask = attention_mask[..., None].float()
                return (self.table(input_ids) * mask).sum(1) / mask.sum(1).clamp(min=1)
        def mean():
            return Mean()
    """
    names = ("input_ids", "attention_mask")
    texts = ("a fox", "one lazy dog", "red", "", "a b")
    folder = _write(
        tmp_path / "text",
        {
            "network.py": mean,
            "requests.json": json.dumps([{"text": text} for text in texts]),
        },
        source={"factory": "network:mean", "weights": "mean.pt"},
        inputs=[_tensor(name, [-1], "TYPE_INT64", free=["length"]) for name in names],
        outputs=[_tensor("embedding", [4])],
        preprocess={"kind": "text", "tokenizer": "tokenizer.json", "max_length": 6},
        samples={"random": 2, "requests": "requests.json"},
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.save({"table.weight": torch.nn.Embedding(100, 4).weight.detach()}, folder / "mean.pt")
    report = build(folder, tmp_path / "text-out")
    assert {level for level, _, _ in _levels(report)} == {"preprocess", "artefact", "served", "end_to_end"}
    repository = tmp_path / "text-out" / "repository"
    served = served_models(repository)
    assert any(package.startswith("tokenizers==") for package in served.packages)

    folder = _write(
        tmp_path / "table",
        {
            "network.py": "import torch\ndef linear():\n    return torch.nn.Linear(4, 1)\n",
            "requests.json": json.dumps(
                [{"age": 30, "city": "Rome"}, {"age": 61.5, "city": "Oslo"}, {"age": float("nan"), "city": "Bonn"}]
            ),
        },
        source={"factory": "network:linear", "weights": "linear.pt"},
        inputs=[_tensor("x", [4])],
        outputs=[_tensor("y", [1])],
        preprocess={
            "kind": "tabular",
            "columns": [
                {"name": "age", "mean": 40, "std": 12.5, "missing": 38},
                {"name": "city", "categories": ["Rome", "Oslo", "Bonn"]},
            ],
        },
        samples={"random": 2, "requests": "requests.json"},
    )
    torch.save(torch.nn.Linear(4, 1).state_dict(), folder / "linear.pt")
    assert ("preprocess", "http", 4) in _levels(build(folder, tmp_path / "table-out"))


STUBBORN = """
    import torch
    class Stubborn(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Linear(3, 3)
        def forward(self, x):
            return torch.stack([self.row(row) for row in self.inner(x)])
        def row(self, y):
            # Depends on the data in a way that no graph holds.
            for _ in range(int(y.abs().sum().item() * 3) % 3):
                y = torch.relu(y) + 1
            return y
    def stubborn():
        return Stubborn()
"""


def test_a_network_that_does_not_export_is_served_in_torch_and_the_build_says_what_stopped_it(tmp_path):
    import torch

    folder = _write(
        tmp_path / "way",
        {"network.py": STUBBORN},
        source={"factory": "network:stubborn", "weights": "stubborn.pt"},
        inputs=[_tensor("x", [3])],
        outputs=[_tensor("y", [3])],
        variants=[{"name": "fp32"}, {"name": "eager", "backend": "python"}],
        serving={"variant": "eager", "max_batch_size": 4},
    )
    torch.manual_seed(0)
    torch.save({f"inner.{k}": v for k, v in torch.nn.Linear(3, 3).state_dict().items()}, folder / "stubborn.pt")
    report = build(folder, tmp_path / "out")
    refused, eager = report.variants
    assert "does not export" in refused.refused
    assert eager.refused is None
    assert eager.served.passed
    assert report.opset is None
    repository = tmp_path / "out" / "repository"
    assert not list(repository.glob("way_fp32_*"))
    manifest = json.loads((repository / "way" / "1" / "manifest.json").read_text())
    assert "torch" in manifest["parts"][0]["python_packages"]

    alone = _write(
        tmp_path / "alone",
        {"network.py": STUBBORN},
        source={"factory": "network:stubborn", "weights": "stubborn.pt"},
        inputs=[_tensor("x", [3])],
        outputs=[_tensor("y", [3])],
    )
    (alone / "stubborn.pt").write_bytes((folder / "stubborn.pt").read_bytes())
    with pytest.raises(InputError, match="does not export") as caught:
        build(alone, tmp_path / "alone-out")
    assert "backend: python" in str(caught.value)
