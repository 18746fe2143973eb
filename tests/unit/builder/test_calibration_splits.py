"""Calibration, choice and judgement see different samples, and accuracy none of them."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from builder.stages import AccuracyRequest, ConvertRequest
from builder.variants.accuracy import measure_accuracy
from builder.variants.calibration_samples import read_splits
from tritonkit.spec.errors import GateError, InputError
from tritonkit.spec.gates import LabelledData
from tritonkit.spec.model import Source, TensorSpec, Variant

SOURCES = """
import numpy as np
from tritonkit.evaluation.datasets.dataset import DataSet, Split

ROWS = np.random.default_rng(2).standard_normal((700, 4)).astype(np.float32)


def different():
    return ({"x": row} for row in ROWS)


def repeated():
    return ({"x": ROWS[index % 560]} for index in range(700))


def labelled():
    test = np.random.default_rng(3).standard_normal((150, 4)).astype(np.float32)
    split = Split(samples=test, targets=test[:, :3].argmax(1))
    return DataSet(name="rows", training=split, test=split, classes=("a", "b", "c"))


def leaky():
    split = Split(samples=ROWS[500:650], targets=ROWS[500:650, :3].argmax(1))
    return DataSet(name="rows", training=split, test=split, classes=("a", "b", "c"))


def of_other_classes():
    data = labelled()
    return DataSet(name="rows", training=data.training, test=data.test, classes=("a", "b"))
"""


@pytest.fixture
def folder(tmp_path, request):
    # A module of its own for each test: what is imported under one name stays.
    name = f"sources_{abs(hash(request.node.nodeid))}"
    (tmp_path / f"{name}.py").write_text(SOURCES)
    return tmp_path, name


@pytest.fixture
def parts(folder):
    path, module = folder

    def fields(source):
        variant = {
            "name": "int8",
            "precision": "int8",
            "calibration": {"name": "rows", "source": f"{module}:{source}", "held_out": 50, "judged": 50},
        }
        return {
            "variant": Variant.model_validate(variant),
            "source": Source(file="network.onnx"),
            "inputs": (TensorSpec(name="x", data_type="TYPE_FP32", dims=(4,)),),
            "outputs": (TensorSpec(name="scores", data_type="TYPE_FP32", dims=(3,)),),
        }

    return path, module, fields


def convert_request(fields):
    return ConvertRequest(target="26.07", batched=True, threads=1, **fields)


def test_the_three_parts_follow_each_other(parts):
    folder, _, fields = parts
    request = convert_request(fields("different"))
    splits = read_splits(request, request.variant.calibration, folder)
    assert [len(part) for part in (splits.calibration, splits.held_out, splits.judged)] == [500, 50, 50]
    rows = np.concatenate([row["x"] for part in (splits.calibration, splits.held_out, splits.judged) for row in part])
    assert len(np.unique(rows, axis=0)) == 600


def test_a_sample_in_two_parts_is_refused(parts):
    folder, _, fields = parts
    request = convert_request(fields("repeated"))
    with pytest.raises(InputError, match=r"same sample into two parts.*got 40 of 600"):
        read_splits(request, request.variant.calibration, folder)


@pytest.fixture
def network(tmp_path):
    """The first three numbers are the scores."""
    weights = np.eye(4, 3, dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["scores"])],
        "first_three",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = tmp_path / "model"
    model.mkdir()
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), model / "model.onnx"
    )
    return model


def test_right_answers_are_counted_on_the_test_split(parts, network, tmp_path):
    folder, module, fields = parts
    request = AccuracyRequest(data=LabelledData(source=f"{module}:labelled"), preprocess=None, **fields("different"))
    found = measure_accuracy(request, {"folder": folder, "model": network}, tmp_path)
    assert (found.right, found.samples, found.source) == (150, 150, "rows, the whole test split")
    few = request.model_copy(update={"data": LabelledData(source=f"{module}:labelled", samples=100)})
    found = measure_accuracy(few, {"folder": folder, "model": network}, tmp_path)
    assert (found.right, found.source) == (100, "rows, 100 drawn from the test split")


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        ("leaky", GateError, "a sample that accuracy is to be measured on was calibrated on"),
        ("of_other_classes", InputError, "other classes than the network"),
    ],
)
def test_a_data_set_that_says_nothing_is_refused(parts, network, tmp_path, data, error, said):
    folder, module, fields = parts
    request = AccuracyRequest(data=LabelledData(source=f"{module}:{data}"), preprocess=None, **fields("different"))
    with pytest.raises(error, match=said):
        measure_accuracy(request, {"folder": folder, "model": network}, tmp_path)
