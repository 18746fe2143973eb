"""Arrays with texts in them, samples at every size, outputs that take their names."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from builder.arrays import load_arrays, save_arrays
from builder.export import rename_outputs
from builder.samples import make_tensors, read_requests
from tritonkit.spec.errors import InputError
from tritonkit.spec.model import Samples, TensorSpec


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.lists(st.binary(max_size=9), min_size=2, max_size=2), max_size=5))
def test_bytes_come_back_as_they_went(tmp_path_factory, rows):
    texts = np.empty((len(rows), 2), dtype=object)
    for index, row in enumerate(rows):
        texts[index] = row
    numbers = np.arange(6, dtype=np.float16).reshape(2, 3)
    file = tmp_path_factory.mktemp("arrays") / "a.npz"
    save_arrays(file, {"requests/0/text": texts, "plain": numbers})
    found = load_arrays(file)
    assert found["requests/0/text"].tolist() == texts.tolist()
    np.testing.assert_array_equal(found["plain"], numbers)


def _tensor(name, data_type, dims, **more):
    return TensorSpec(name=name, data_type=data_type, dims=dims, **more)


def test_free_dimensions_of_one_name_have_one_size_and_every_size_is_asked():
    ids = _tensor("ids", "TYPE_INT64", (-1,), free=("length",), values=(5, 9))
    mask = _tensor("mask", "TYPE_BOOL", (-1,), free=("length",))
    groups = make_tensors((ids, mask), Samples(sizes={"length": (1, 3, 11)}))
    assert [group.inputs["ids"].shape[1] for group in groups] == [1, 3, 11]
    for group in groups:
        assert group.inputs["mask"].shape == group.inputs["ids"].shape
        assert group.inputs["ids"].min() >= 5
        assert group.inputs["ids"].max() <= 9
        assert len(group.names) == len(group.inputs["ids"])
        assert "length" in group.names[0]


def test_requests_that_are_not_the_models_are_refused(tmp_path):
    age = (_tensor("age", "TYPE_FP32", (1,)),)
    file = tmp_path / "requests.json"
    for text, match in (
        ("{", "no JSON"),
        ("[]", "no request"),
        ('[{"size": 1}]', "other inputs"),
        ('[{"age": "old"}]', "no TYPE_FP32"),
        ('[{"age": [1, 2]}]', "another shape"),
    ):
        file.write_text(text)
        with pytest.raises(InputError, match=match):
            read_requests(file, age)
    np.savez(tmp_path / "requests.npz", age=np.ones((3, 1)))
    assert [sample["age"].dtype for sample in read_requests(tmp_path / "requests.npz", age)] == [np.float32] * 3


def test_an_output_may_have_the_name_of_something_inside_the_graph():
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["answer"]), helper.make_node("Neg", ["answer"], ["tritonkit_output_0"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"])],
        [helper.make_tensor_value_info("tritonkit_output_0", TensorProto.FLOAT, ["N"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    rename_outputs(model, ["answer"])
    onnx.checker.check_model(model)
    assert [output.name for output in model.graph.output] == ["answer"]
    assert model.graph.node[1].input[0] == "answer.inner"


def test_fields_of_a_newer_triton_are_appended_as_they_are():
    from builder.pipeline import part_text
    from tests.toy_classifier import spec_fields
    from tritonkit.spec.model import ModelSpec

    spec = ModelSpec.model_validate(spec_fields() | {"config_text": "field_of_tomorrow { value: 1 }"})
    text = part_text(spec, spec.variants[0], "model", "m")
    assert text.rstrip().endswith("field_of_tomorrow { value: 1 }")
    assert "field_of_tomorrow" not in part_text(spec, spec.variants[0], "preprocess", "p")
