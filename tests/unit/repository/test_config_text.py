"""`config.pbtxt`: whatever a ModelConfig can say is written and read back; errors name line, column, nearest word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format
from hypothesis import HealthCheck, given, settings

from tritonkit.repository import config as config_text
from tritonkit.spec.errors import InputError

sys.path.append(str(Path(__file__).parents[2] / "cases"))
from random_configs import configs


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(configs())
def test_a_random_config_written_and_parsed_is_equal(config):
    text = config_text.write_config(config)
    assert config_text.parse_config(text, where="written") == config
    assert config_text.write_config(config_text.parse_config(text, where="written")) == text


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(configs())
def test_protobufs_own_text_reads_as_the_same_config(config):
    assert config_text.parse_config(text_format.MessageToString(config), where="protobuf") == config


def test_every_field_of_the_proto_can_be_said():
    """Each field of each message once; of a oneof the first."""

    def whole(descriptor, depth=0):
        fields, seen = {}, set()
        for field in descriptor.fields:
            if field.containing_oneof is not None and field.containing_oneof.name in seen:
                continue
            if field.containing_oneof is not None:
                seen.add(field.containing_oneof.name)
            if field.message_type is not None and field.message_type.GetOptions().map_entry:
                item = field.message_type.fields_by_name["value"]
                key = 1 if field.message_type.fields_by_name["key"].cpp_type != field.CPPTYPE_STRING else "key"
                fields[field.name] = {key: example(item, depth)}
            else:
                fields[field.name] = [example(field, depth)] if field.is_repeated else example(field, depth)
        return fields

    def example(field, depth):
        if field.message_type is not None:
            return whole(field.message_type, depth + 1)
        if field.enum_type is not None:
            return field.enum_type.values[-1].name
        return {field.CPPTYPE_BOOL: True, field.CPPTYPE_STRING: "text"}.get(field.cpp_type, 1)

    config = config_text.merge_config(config_text.new_config(), whole(config_text.descriptor()), where="whole")
    assert len(config.ListFields()) >= len(config_text.descriptor().fields) - 2  # the scheduling choice is one of three
    assert config_text.parse_config(config_text.write_config(config), where="whole") == config


def test_text_is_canonical_and_short():
    config = config_text.merge_config(
        config_text.new_config(),
        {
            "instance_group": [{"kind": "KIND_CPU", "count": 2}],
            "input": [{"name": "image", "data_type": "TYPE_FP32", "dims": [3, 224, 224]}],
            "name": "m",
            "max_batch_size": 8,
            "backend": "onnxruntime",
            "dynamic_batching": {},
            "parameters": {"b": {"string_value": "2"}, "a": {"string_value": 'say "hi"'}},
        },
        where="test",
    )
    assert config_text.write_config(config) == (
        'name: "m"\n'
        'backend: "onnxruntime"\n'
        "max_batch_size: 8\n"
        "input [\n"
        '  { name: "image", data_type: TYPE_FP32, dims: [3, 224, 224] }\n'
        "]\n"
        "dynamic_batching {}\n"
        "instance_group [\n"
        "  { kind: KIND_CPU, count: 2 }\n"
        "]\n"
        'parameters { key: "a", value { string_value: "say \\"hi\\"" } }\n'
        'parameters { key: "b", value { string_value: "2" } }\n'
    )


@pytest.mark.parametrize(
    ("text", "where", "got", "hint"),
    [
        ('name: "m"\ninputs [ { name: "x" } ]', "m/config.pbtxt:2:1", "inputs", "did you mean input?"),
        (
            'input {\n  name: "x"\n  data_tpye: TYPE_FP32 }',
            "m/config.pbtxt:3:3",
            "data_tpye",
            "did you mean data_type?",
        ),
        ("input { data_type: TYPE_FP23 }", "m/config.pbtxt:1:20", "TYPE_FP23", "did you mean TYPE_FP32?"),
        ("max_batch_size: many", "m/config.pbtxt:1:17", None, None),
        ("sequence_batching {} dynamic_batching {}", "m/config.pbtxt:1:22", None, None),
        ('parameters { key: "k" value: { string_value: 1 } }', "m/config.pbtxt:1:46", None, None),
    ],
)
def test_a_parse_error_says_where_and_what_was_meant(text, where, got, hint):
    with pytest.raises(InputError) as caught:
        config_text.parse_config(text, where="m/config.pbtxt")
    assert caught.value.where == where
    if got is not None:
        assert (caught.value.got, caught.value.hint) == (got, hint)


def test_unknown_fields_can_be_skipped_to_read_the_rest():
    config = config_text.parse_config('name: "m" brand_new { a: 1 }', where="m", allow_unknown_fields=True)
    assert config.name == "m"


@pytest.mark.parametrize(
    ("extra", "where", "hint"),
    [
        ({"dynamic_batchin": {}}, "config", "did you mean dynamic_batching?"),
        (
            {"dynamic_batching": {"max_queue_delay": 1}},
            "config.dynamic_batching",
            "did you mean max_queue_delay_microseconds?",
        ),
        ({"instance_group": [{"kind": "KIND_GPUS"}]}, "config.instance_group[0].kind", "did you mean KIND_GPU?"),
        ({"max_batch_size": "8"}, "config.max_batch_size", None),
        ({"max_batch_size": True}, "config.max_batch_size", None),
        ({"max_batch_size": 2**40}, "config.max_batch_size", None),
        ({"response_cache": {"enable": 1}}, "config.response_cache.enable", None),
        ({"input": {}}, "config.input", None),
        ({"dynamic_batching": 3}, "config.dynamic_batching", None),
        ({"parameters": []}, "config.parameters", None),
        (
            {"dynamic_batching": {"priority_queue_policy": {"high": {}}}},
            "config.dynamic_batching.priority_queue_policy.high",
            None,
        ),
    ],
)
def test_merge_refuses_what_the_message_does_not_have(extra, where, hint):
    with pytest.raises(InputError) as caught:
        config_text.merge_config(config_text.new_config(), extra, where="config")
    assert caught.value.where == where
    if hint is not None:
        assert caught.value.hint == hint


def test_merge_keeps_what_it_does_not_name_and_leaves_the_base_alone():
    base = config_text.parse_config(
        'name: "m" dynamic_batching { preserve_ordering: true } parameters { key: "a" value { string_value: "1" } }'
        "instance_group { count: 1 } instance_group { count: 2 }",
        where="base",
    )
    before = config_text.write_config(base)
    merged = config_text.merge_config(
        base,
        {
            "dynamic_batching": {"max_queue_delay_microseconds": 5},
            "parameters": {"b": {"string_value": "2"}},
            "instance_group": [{"count": 3}],
        },
        where="config",
    )
    assert config_text.write_config(base) == before
    assert merged.dynamic_batching.preserve_ordering
    assert merged.dynamic_batching.max_queue_delay_microseconds == 5
    assert set(merged.parameters) == {"a", "b"}
    assert [group.count for group in merged.instance_group] == [3]


def test_an_empty_message_is_said_too():
    merged = config_text.merge_config(config_text.new_config(), {"dynamic_batching": {}}, where="config")
    assert merged.HasField("dynamic_batching")


def test_appended_text_stands_below_its_heading():
    text = config_text.append_config_text('name: "m"\n', "brand_new: 3\n")
    assert text == f'name: "m"\n\n{config_text.EXTRA_TEXT_HEADING}\nbrand_new: 3\n'
    assert config_text.append_config_text('name: "m"\n', "  \n") == 'name: "m"\n'


def test_reading_says_what_is_wrong_with_the_file(tmp_path):
    with pytest.raises(InputError, match="no such configuration"):
        config_text.read_config(tmp_path / "config.pbtxt")
    (tmp_path / "config.pbtxt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not a readable text file"):
        config_text.read_config(tmp_path / "config.pbtxt")


def test_the_message_is_the_clients_own_and_costs_neither_grpc_nor_numpy():
    program = (
        "import sys; from tritonkit.repository import config as c; mine = c.new_config(name='m');"
        "assert not {'grpc', 'numpy', 'onnx', 'torch'} & set(sys.modules), sorted(sys.modules);"
        "from tritonclient.grpc import model_config_pb2 as official, service_pb2;"
        "assert isinstance(mine, official.ModelConfig);"
        "assert service_pb2.ModelConfigResponse(config=mine).config == mine"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=400)
