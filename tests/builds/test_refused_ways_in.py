"""What no way in takes: files that could run code, data from elsewhere, networks that are not the spec's."""

import os
import pickle
import zipfile

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from builder.sources.network import open_network
from builder.stages import CaptureRequest
from tritonkit.spec.errors import InputError


def _request(file, **changes):
    fields = {
        "source": {"file": str(file)},
        "inputs": [{"name": "x", "data_type": "TYPE_FP32", "dims": [2]}],
        "outputs": [{"name": "y", "data_type": "TYPE_FP32", "dims": [2]}],
        "preprocess": None,
        "samples": {},
        "target": "26.07",
        "batched": True,
        "exports": True,
        "served_in_torch": False,
    }
    return CaptureRequest.model_validate(fields | changes)


def _onnx(file, location=None, batch="N"):
    weight = numpy_helper.from_array(np.eye(2, dtype=np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 2])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if location is not None:
        tensor = model.graph.initializer[0]
        data = tensor.raw_data
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", location
        file.with_name("weights.bin").write_bytes(data)
    file.write_bytes(model.SerializeToString())
    return file


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/hostname", "sub/../../weights.bin"])
def test_external_data_outside_its_folder_is_refused(tmp_path, location):
    (tmp_path / "model").mkdir()
    file = _onnx(tmp_path / "model" / "net.onnx", location)
    with pytest.raises(InputError, match="own folder"):
        open_network(_request(file), file, tmp_path)


def test_external_data_behind_a_link_or_missing_is_refused(tmp_path):
    file = _onnx(tmp_path / "net.onnx", "linked.bin")
    (tmp_path / "linked.bin").symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="own folder"):
        open_network(_request(file), file, tmp_path)
    (tmp_path / "linked.bin").unlink()
    with pytest.raises(InputError, match="missing"):
        open_network(_request(file), file, tmp_path)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"inputs": [{"name": "z", "data_type": "TYPE_FP32", "dims": [2]}]}, "no such tensor"),
        ({"inputs": [{"name": "x", "data_type": "TYPE_INT64", "dims": [2]}]}, "data type is another"),
        ({"outputs": [{"name": "y", "data_type": "TYPE_FP32", "dims": [3]}]}, "shape is another"),
        ({"batched": False}, "shape is another"),
    ],
)
def test_an_onnx_file_that_is_not_the_specs_is_refused(tmp_path, changes, match):
    file = _onnx(tmp_path / "net.onnx")
    with pytest.raises(InputError, match=match):
        open_network(_request(file, **changes), file, tmp_path)


def test_a_fixed_batch_and_a_truncated_file_are_refused(tmp_path):
    file = _onnx(tmp_path / "net.onnx", batch=1)
    with pytest.raises(InputError, match="free batch dimension"):
        open_network(_request(file), file, tmp_path)
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(InputError, match=r"truncated|not valid"):
        open_network(_request(file), file, tmp_path)
    strange = tmp_path / "net.h5"
    strange.write_bytes(b"")
    with pytest.raises(InputError, match="no network that the kit reads"):
        open_network(_request(strange), strange, tmp_path)


class _Bomb:
    def __reduce__(self):
        return os.mkdir, (_Bomb.target,)


def test_an_exported_program_with_a_pickle_that_runs_code_is_refused_and_nothing_runs(tmp_path):
    import torch

    class Double(torch.nn.Module):
        def forward(self, x):
            return x * 2

    file = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(Double(), (torch.zeros(2, 2),)), file)
    _Bomb.target = str(tmp_path / "it ran")
    evil = tmp_path / "evil.pt2"
    with zipfile.ZipFile(file) as good, zipfile.ZipFile(evil, "w") as bad:
        for name in good.namelist():
            data = pickle.dumps(_Bomb()) if name.endswith("sample_inputs/model.pt") else good.read(name)
            bad.writestr(name, data)
    with pytest.raises(InputError, match="refused, nothing was executed"):
        open_network(_request(evil), evil, tmp_path)
    assert not (tmp_path / "it ran").exists()
    evil.write_bytes(evil.read_bytes()[:100])
    with pytest.raises(InputError, match="truncated"):
        open_network(_request(evil), evil, tmp_path)


def test_a_state_dict_in_the_place_of_torchscript_says_where_it_belongs(tmp_path):
    import torch

    file = tmp_path / "net.pt"
    torch.save({"w": torch.zeros(2)}, file)
    with pytest.raises(InputError, match=r"source\.weights"):
        open_network(_request(file), file, tmp_path)
