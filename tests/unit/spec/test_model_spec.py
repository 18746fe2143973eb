"""`model.yaml`: what is refused, and how it is said."""

import json
from pathlib import Path

import pytest
import yaml

from tests.toy_classifier import spec_fields
from tritonkit.spec.errors import InputError
from tritonkit.spec.json_schemas import DOCUMENTS, FOLDER, schema_text
from tritonkit.spec.model import ModelSpec, load_model_spec

ROOT = Path(__file__).parents[3]
PNG = {"name": "png", "data_type": "TYPE_STRING", "dims": [1]}


def _write(folder: Path, fields: object) -> Path:
    file = folder / "model.yaml"
    file.write_text(yaml.safe_dump(fields, sort_keys=False))
    return file


def test_the_toy_and_every_example_are_read(tmp_path):
    assert load_model_spec(_write(tmp_path, spec_fields())).name == "toy"
    for file in ROOT.glob("examples/*/model.yaml"):
        assert load_model_spec(file.parent).name


@pytest.mark.parametrize(
    ("change", "line_of", "parts"),
    [
        ({"srving": {}}, "srving", ["srving: there is no such key", "did you mean serving?"]),
        ({"source": {"factry": "a:b", "weights": "w"}}, "factry", ["source.factry", "did you mean factory?"]),
        ({"schema_version": 2}, "schema_version", ["schema_version", "got 2"]),
        ({"target": {"triton": "26.70"}}, "triton", ["target.triton", "'26.70'", "did you mean 26.0"]),
        ({"name": "Bad Name"}, "name", ["name", "'Bad Name'"]),
        ({"variants": [{"name": "fp32", "precision": "fp23"}]}, "precision", ["did you mean fp32?"]),
        (
            {"inputs": [{"name": "pixels", "data_type": "TYPE_FP23", "dims": [3, 16, 16]}]},
            "data_type",
            ["inputs[0].data_type", "did you mean TYPE_FP32?"],
        ),
        ({"inputs": [{"name": "x", "data_type": "TYPE_FP32", "dims": [3, 0, 16]}]}, "dims", ["1 or more"]),
        ({"inputs": [{"name": "x", "data_type": "TYPE_FP32", "dims": [3, 8, 8]}]}, None, ["[3, 16, 16]", "[3, 8, 8]"]),
        ({"serving": {"variant": "int8", "max_batch_size": 4}}, None, ["serving.variant", "fp32"]),
        ({"serving": {"variant": "fp32", "max_batch_size": -1}}, "max_batch_size", ["serving.max_batch_size"]),
        ({"samples": {"random": 2}}, None, ["nothing would be asked of the whole pipeline", "samples.pictures"]),
        ({"postprocess": {"kind": "classification", "top_k": 9, "labels": "l"}}, None, ["top_k is 9", "6 classes"]),
        (
            {"postprocess": {"kind": "python", "file": "f.py", "outputs": [PNG], "pictures": {"pgn": 1}}},
            "postprocess",
            ["pictures names pgn; of outputs, TYPE_STRING are png"],
        ),
        (
            {"gates": {"parity": {"artefact": {"absolute": 1, "relative": 0}}}},
            "parity",
            ["needs its `reason`"],
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_file_line_key_and_nearest_word(tmp_path, change, line_of, parts):
    file = _write(tmp_path, {**spec_fields(), **change})
    with pytest.raises(InputError) as caught:
        load_model_spec(file)
    text = str(caught.value)
    for part in parts:
        assert part in text
    assert "\n" not in text
    if line_of is not None:
        lines = file.read_text().splitlines()
        line = int(text.removeprefix(f"{file}:").partition(":")[0])
        assert line_of in "".join(lines[line - 1 : line + 2])


def test_a_missing_key_says_what_it_is_for(tmp_path):
    fields = spec_fields()
    del fields["serving"]["variant"]
    with pytest.raises(InputError, match=r"serving\.variant: this key is missing.*the published ensemble calls"):
        load_model_spec(_write(tmp_path, fields))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nname: b\n", "a key stands twice"),
        ("name: [a\n", "no YAML"),
        ("- a\n- b\n", "no mapping"),
        ("", "no mapping"),
    ],
)
def test_text_that_is_no_spec(tmp_path, text, message):
    file = tmp_path / "model.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        load_model_spec(file)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_model_spec(tmp_path / "nothing.yaml")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_committed_schema_is_the_current_one(name):
    committed = (FOLDER / f"{name}.schema.json").read_text()
    assert committed == schema_text(DOCUMENTS[name]), "run `python -m tritonkit.spec.json_schemas`"


def test_every_field_of_the_spec_is_described():
    definitions = [ModelSpec.model_json_schema(), *ModelSpec.model_json_schema()["$defs"].values()]
    missing = [
        f"{definition['title']}.{name}"
        for definition in definitions
        for name, field in definition.get("properties", {}).items()
        if "description" not in field
    ]
    assert missing == []


def test_a_spec_survives_json():
    spec = ModelSpec.model_validate(spec_fields())
    assert ModelSpec.model_validate(json.loads(spec.model_dump_json())) == spec
