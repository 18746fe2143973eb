"""What Triton's core loads and refuses, whatever the backend: one table for lint and for a real server.

The verdicts were measured on tritonserver 2.51.0 (24.10) without a GPU. `CASES` is data; `write_case` writes the
folders of one case into a repository. Every folder that a case writes begins with the case's name.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RELEASE = "24.10"

IDENTITY = """
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            tensors = [pb_utils.Tensor("y", t.as_numpy()) for t in request.inputs() if t.name() == "x"]
            answers.append(pb_utils.InferenceResponse(tensors))
        return answers
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One model and what its server makes of it.

    Attributes:
        name: the model's directory.
        rule: the lint rule that the case is about.
        loads: the server's verdict.
        files: text or bytes by path below the repository; a path that ends in `/` is an empty directory.
        late: the server makes instances before it refuses the model. While it loads others at the same time, that
            ended it now and then.
        hangs: the server waits for the model for ever.
    """

    name: str
    rule: str
    loads: bool
    files: Mapping[str, str | bytes]
    late: bool = False
    hangs: bool = False


def write_case(case: Case, repository: Path) -> None:
    """Writes the folders of `case` below `repository`."""
    for path, content in case.files.items():
        target = repository / path
        if path.endswith("/"):
            target.mkdir(parents=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())


ONE = "instance_group [ { kind: KIND_CPU count: 1 } ]\n"
X = 'input [ { name: "x" data_type: TYPE_FP32 dims: [ 4 ] } ]\n'
Y = 'output [ { name: "y" data_type: TYPE_FP32 dims: [ 4 ] } ]\n'
PYTHON = 'backend: "python"\n' + ONE
PLAIN = PYTHON + X + Y
BATCHING = PLAIN + "max_batch_size: 4\n"
DECOUPLED = "model_transaction_policy { decoupled: true }\n"


def python_case(
    name: str,
    rule: str,
    config: str | bytes,
    *,
    loads: bool,
    source: str = IDENTITY,
    late: bool = False,
    **files: str | bytes,
) -> Case:
    """A model of the python backend; `files` have `__` for `/`, as `warmup__x` for `warmup/x`."""
    extra = {f"{name}/{path.replace('__', '/')}": content for path, content in files.items()}
    return Case(
        name=name,
        rule=rule,
        loads=loads,
        files={f"{name}/config.pbtxt": config, f"{name}/1/model.py": source, **extra},
        late=late,
    )


def _text_cases() -> list[Case]:
    good = {
        "comment": "# a comment\n" + PLAIN,
        "single_quotes": PLAIN.replace('"', "'"),
        "commas": PLAIN.replace("TYPE_FP32 dims", "TYPE_FP32, dims"),
        "semicolons": PLAIN.replace("TYPE_FP32 dims", "TYPE_FP32; dims"),
        "joined_strings": PLAIN.replace('"python"', '"py" "thon"'),
        "enum_number": PLAIN.replace("TYPE_FP32", "11"),
        "octal": PLAIN.replace("[ 4 ]", "[ 010 ]"),
        "hexadecimal": PLAIN.replace("[ 4 ]", "[ 0x10 ]"),
        "angle_brackets": PYTHON + 'input < name: "x" data_type: TYPE_FP32 dims: 4 >\n' + Y,
        "colon_before_message": PLAIN.replace("input [", "input: ["),
        "true_letter": PLAIN + "model_transaction_policy { decoupled: f }\n",
        "true_word": PLAIN + "model_transaction_policy { decoupled: False }\n",
        "true_number": PLAIN + "model_transaction_policy { decoupled: 0 }\n",
        "crlf": PLAIN.replace("\n", "\r\n"),
        "one_dim": PLAIN.replace("[ 4 ]", "4"),
        "empty_list": PLAIN + "batch_input [ ]\n",
        "empty": "",
        "zero_twice": PLAIN + "max_batch_size: 0\nmax_batch_size: 0\n",
        "parameter_twice": PLAIN + 'parameters { key: "a" } parameters { key: "a" }\n',
    }
    bad: dict[str, str | bytes] = {
        "no_colon": PLAIN.replace("max_batch_size:", "") + "max_batch_size 4\n",
        "fraction": PLAIN + "max_batch_size: 1.5\n",
        "slash_comment": "// a comment\n" + PLAIN,
        "trailing_comma": PLAIN.replace("[ 4 ]", "[ 4, ]"),
        "capital_true": PLAIN + "model_transaction_policy { decoupled: FALSE }\n",
        "twice": PLAIN + "max_batch_size: 4\nmax_batch_size: 4\n",
        "unclosed": PLAIN + "version_policy { latest {\n",
        "extra_brace": PLAIN + "}\n",
        "json": '{ "backend": "python" }\n',
        "yaml": "backend: python\n",
        "unquoted": PLAIN.replace('"x"', "x"),
        "list_for_one": PLAIN + "max_batch_size: [ 4 ]\n",
        "newline_in_string": PLAIN.replace('"x"', '"x\n"'),
        "unknown_enum": PLAIN.replace("TYPE_FP32", "TYPE_FLOAT", 1),
        "unknown_field": PLAIN + "max_batchsize: 4\n",
        "overflow": PLAIN + "max_batch_size: 4294967296\n",
        "negative_unsigned": PLAIN + "version_policy { latest { num_versions: -1 } }\n",
        "byte_order_mark": b"\xef\xbb\xbf" + PLAIN.encode(),
        "number_for_string": PLAIN + 'parameters { key: "a" value: { string_value: 1 } }\n',
        "two_schedulers": PLAIN + "dynamic_batching { } sequence_batching { }\n",
        "newer_field": PLAIN + "model_metrics { }\n",
    }
    rules = {
        "newer_field": "config-newer-field",
        "unknown_field": "config-unknown-field",
    }
    return [
        *(python_case(f"text_{label}", "", text, loads=True) for label, text in good.items()),
        *(
            python_case(f"text_{label}", rules.get(label, "config-text"), text, loads=False)
            for label, text in bad.items()
        ),
        python_case("text_latin1_comment", "", b"# caf\xe9\n" + PLAIN.encode(), loads=True),
        python_case(
            "text_latin1_string", "", PLAIN.encode() + b'metric_tags { key: "a" value: "caf\xe9" }\n', loads=True
        ),
        python_case("text_utf8_string", "", PLAIN + 'metric_tags { key: "a" value: "caf\u00e9" }\n', loads=True),
    ]


def _directory_cases() -> list[Case]:
    def folders(name: str, rule: str, *names: str, loads: bool, config: str = PLAIN) -> Case:
        files = {f"{name}/{folder}/model.py": IDENTITY for folder in names}
        return Case(name=name, rule=rule, loads=loads, files={f"{name}/config.pbtxt": config, **files})

    return [
        folders("folder_zero", "", "0", loads=True),
        replace(folders("folder_negative", "version-negative", "-1", loads=False), hangs=True),
        folders("folder_leading_zero", "version-none", "01", loads=False),
        folders("folder_word", "version-none", "latest", loads=False),
        folders("folder_none", "version-none", loads=False),
        folders("folder_reserved", "version-none", "warmup", loads=False),
        folders("folder_beside", "", "1", "assets", "configs", loads=True),
        folders("folder_staging", "", "1", ".staging-2", loads=True),
        folders("folder_second_name", "version-ambiguous", "2", "2.tmp", loads=True),
        folders("folder_older_tmp", "version-ambiguous", "1.tmp", "2", loads=True),
        folders(
            "policy_specific_absent",
            "version-none",
            "1",
            loads=False,
            config=PLAIN + "version_policy { specific { versions: [ 2 ] } }\n",
        ),
        folders(
            "policy_specific_one_absent",
            "version-absent",
            "1",
            loads=True,
            config=PLAIN + "version_policy { specific { versions: [ 1, 2 ] } }\n",
        ),
        folders(
            "policy_latest_zero",
            "version-none",
            "1",
            loads=False,
            config=PLAIN + "version_policy { latest { } }\n",
        ),
        folders("policy_empty", "", "1", "2", loads=True, config=PLAIN + "version_policy { }\n"),
        folders("policy_all", "", "1", "2", loads=True, config=PLAIN + "version_policy { all { } }\n"),
        Case(
            name="policy_all_one_bad",
            rule="python-class",
            loads=False,
            files={
                "policy_all_one_bad/config.pbtxt": PLAIN + "version_policy { all { } }\n",
                "policy_all_one_bad/1/model.py": "nothing = 1\n",
                "policy_all_one_bad/2/model.py": IDENTITY,
            },
            late=True,
        ),
        folders("name_other", "directory-name", "1", loads=False, config=PLAIN + 'name: "another"\n'),
        folders("name_given", "", "1", loads=True, config=PLAIN + 'name: "name_given"\n'),
        Case(name="lost+found", rule="stray-directory", loads=False, files={"lost+found/": ""}),
        Case(name=".git", rule="stray-directory", loads=False, files={".git/HEAD": "ref\n", ".git/refs/": ""}),
        Case(name="stray_notes", rule="stray-directory", loads=False, files={"stray_notes/README.md": "notes\n"}),
        Case(name="without_config", rule="", loads=True, files={"without_config/1/model.py": IDENTITY}),
        Case(
            name="without_config_hidden_first",
            rule="stray-directory",
            loads=False,
            files={"without_config_hidden_first/1/model.py": IDENTITY, "without_config_hidden_first/.old/notes": "x"},
        ),
    ]


def _backend_cases() -> list[Case]:
    def fields(name: str, rule: str, text: str, *, loads: bool, file: str = "1/model.py") -> Case:
        return Case(name=name, rule=rule, loads=loads, files={f"{name}/config.pbtxt": text, f"{name}/{file}": IDENTITY})

    return [
        fields("backend_by_file", "", ONE + X + Y, loads=True),
        fields("backend_any_platform", "", PLAIN + 'platform: "anything"\n', loads=True),
        fields("backend_unknown_platform", "backend-undetermined", 'platform: "python"\n' + X + Y, loads=False),
        fields("backend_none", "backend-undetermined", X + Y, loads=False, file="1/weights.bin"),
        fields("backend_none_with_file", "backend-undetermined", 'default_model_filename: "m.py"\n', loads=False),
        fields("backend_pair", "backend-platform", 'backend: "onnxruntime" platform: "tensorrt_plan"\n', loads=False),
        fields("backend_pair_unknown", "backend-platform", 'backend: "onnxruntime" platform: "onnx"\n', loads=False),
        fields("backend_nobody", "backend-unknown", 'backend: "nobody"\n' + X + Y, loads=False),
        fields("backend_case", "backend-unknown", 'backend: "Python"\n' + X + Y, loads=False),
        Case(
            name="custom.nobody",
            rule="backend-unknown",
            loads=False,
            files={"custom.nobody/1/weights.bin": "x"},
        ),
        fields("backend_runtime", "backend-runtime", PLAIN + 'runtime: "libtriton_nobody.so"\n', loads=False),
        fields("backend_runtime_outside", "backend-runtime", PLAIN + 'runtime: "../python/x.so"\n', loads=False),
        fields("backend_filename", "", PLAIN + 'default_model_filename: "net.py"\n', loads=True, file="1/net.py"),
        fields(
            "backend_agent",
            "repository-agent",
            PLAIN + 'model_repository_agents { agents [ { name: "nobody" } ] }\n',
            loads=False,
        ),
    ]


def _tensor_cases() -> list[Case]:
    def tensor(label: str, rule: str, text: str, *, loads: bool, batch: int = 0, side: str = "input") -> Case:
        other = Y if side == "input" else X
        config = f"{PYTHON}max_batch_size: {batch}\n{side} [ {{ {text} }} ]\n{other}"
        return python_case(f"tensor_{label}", rule, config, loads=loads)

    fp32 = 'name: "x" data_type: TYPE_FP32'
    return [
        tensor("no_name", "tensor-name", "data_type: TYPE_FP32 dims: [ 4 ]", loads=False),
        tensor("no_type", "tensor-data-type", 'name: "x" dims: [ 4 ]', loads=False),
        tensor("no_dims", "tensor-dims", fp32, loads=False),
        tensor("zero", "tensor-dims", f"{fp32} dims: [ 0 ]", loads=False),
        tensor("minus_two", "tensor-dims", f"{fp32} dims: [ -2 ]", loads=False),
        tensor("free", "", f"{fp32} dims: [ -1, 3 ]", loads=True),
        tensor("reshape", "", f"{fp32} dims: [ 2, 2 ] reshape {{ shape: [ 4 ] }}", loads=True),
        tensor("reshape_size", "tensor-reshape", f"{fp32} dims: [ 2, 2 ] reshape {{ shape: [ 3 ] }}", loads=False),
        tensor("reshape_zero", "tensor-reshape", f"{fp32} dims: [ 2 ] reshape {{ shape: [ 0 ] }}", loads=False),
        tensor("reshape_empty", "tensor-reshape", f"{fp32} dims: [ 1 ] reshape {{ }}", loads=False),
        tensor("reshape_empty_batching", "", f"{fp32} dims: [ 1 ] reshape {{ }}", loads=True, batch=4),
        tensor("reshape_empty_of_two", "tensor-reshape", f"{fp32} dims: [ 2 ] reshape {{ }}", loads=False, batch=4),
        tensor("reshape_free", "", f"{fp32} dims: [ 2, 4, -1, 6 ] reshape {{ shape: [ 8, -1, 1, 6 ] }}", loads=True),
        tensor(
            "reshape_free_moved",
            "tensor-reshape",
            f"{fp32} dims: [ 2, 4, -1, 6 ] reshape {{ shape: [ 4, -1, 12 ] }}",
            loads=False,
        ),
        tensor("reshape_free_lost", "tensor-reshape", f"{fp32} dims: [ -1 ] reshape {{ shape: [ 4 ] }}", loads=False),
        tensor("format", "", f"{fp32} dims: [ 3, 4, 4 ] format: FORMAT_NHWC", loads=True),
        tensor("format_four", "tensor-format", f"{fp32} dims: [ 1, 3, 4, 4 ] format: FORMAT_NCHW", loads=False),
        tensor("shape_tensor", "tensor-of-tensorrt", f"{fp32} dims: [ 4 ] is_shape_tensor: true", loads=False),
        tensor(
            "non_linear", "tensor-of-tensorrt", f"{fp32} dims: [ 3, 4, 4 ] is_non_linear_format_io: true", loads=False
        ),
        tensor("optional", "", f"{fp32} dims: [ 4 ] optional: true", loads=True),
        tensor(
            "labels",
            "label-file",
            'name: "y" data_type: TYPE_FP32 dims: [ 4 ] label_filename: "l.txt"',
            loads=False,
            side="output",
        ),
        python_case(
            "tensor_labels_there",
            "",
            PLAIN.replace('"y" data_type: TYPE_FP32', '"y" label_filename: "l" data_type: TYPE_FP32'),
            loads=True,
            l="one\n",
        ),
        python_case("tensor_batch_negative", "max-batch-size", PLAIN + "max_batch_size: -1\n", loads=False),
        python_case(
            "tensor_batch_input_type",
            "batch-tensors",
            BATCHING + 'batch_input [ { target_name: "n" data_type: TYPE_INT64 source_input: "x" } ]\n',
            loads=False,
        ),
        python_case(
            "tensor_batch_input_source",
            "batch-tensors",
            BATCHING + 'batch_input [ { target_name: "n" data_type: TYPE_INT32 source_input: "z" } ]\n',
            loads=False,
        ),
        python_case(
            "tensor_batch_output_target",
            "batch-tensors",
            BATCHING + 'batch_output [ { target_name: "z" source_input: "x" } ]\n',
            loads=False,
        ),
    ]


def _scheduler_cases() -> list[Case]:
    def dynamic(label: str, rule: str, text: str, *, loads: bool, batch: int = 4) -> Case:
        config = f"{PLAIN}max_batch_size: {batch}\ndynamic_batching {{ {text} }}\n"
        return python_case(f"dynamic_{label}", rule, config, loads=loads)

    def sequence(label: str, rule: str, text: str, *, loads: bool, more: str = "") -> Case:
        config = f"{BATCHING}sequence_batching {{ {text} }}\n{more}"
        return python_case(f"sequence_{label}", rule, config, loads=loads, late=rule == "sequence-state")

    start = 'control_input [ { name: "s" control [ { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } ] } ]'
    state = 'state [ { input_name: "a" output_name: "b" data_type: TYPE_FP32 dims: [ 4 ] initial_state { %s } } ]'
    return [
        dynamic("plain", "", "", loads=True),
        dynamic("without_batching", "", "", loads=True, batch=0),
        dynamic("preferred", "", "preferred_batch_size: [ 2, 4 ]", loads=True),
        dynamic("preferred_over", "preferred-batch-size", "preferred_batch_size: [ 8 ]", loads=False),
        dynamic("preferred_zero", "preferred-batch-size", "preferred_batch_size: [ 0 ]", loads=False),
        dynamic("preferred_without", "preferred-batch-size", "preferred_batch_size: [ 1 ]", loads=False, batch=0),
        dynamic("priority", "", "priority_levels: 2 default_priority_level: 2", loads=True),
        dynamic("priority_no_default", "priority-levels", "priority_levels: 2", loads=False),
        dynamic(
            "priority_default_over", "priority-levels", "priority_levels: 2 default_priority_level: 3", loads=False
        ),
        dynamic(
            "priority_policy_over",
            "priority-levels",
            "priority_levels: 2 default_priority_level: 1 priority_queue_policy { key: 3 value { max_queue_size: 1 } }",
            loads=False,
        ),
        dynamic("ordering", "", "preserve_ordering: true", loads=True),
        dynamic(
            "ordering_levels",
            "preserve-ordering",
            "preserve_ordering: true priority_levels: 2 default_priority_level: 1",
            loads=False,
        ),
        dynamic(
            "ordering_delay",
            "preserve-ordering",
            "preserve_ordering: true default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 5 }",
            loads=False,
        ),
        dynamic(
            "ordering_delay_without_timeout",
            "",
            "preserve_ordering: true default_queue_policy { timeout_action: DELAY }",
            loads=True,
        ),
        sequence("controls", "", start, loads=True),
        sequence("cache", "response-cache", start, loads=False, more="response_cache { enable: true }\n"),
        sequence("no_name", "sequence-controls", start.replace('name: "s" ', ""), loads=False),
        sequence(
            "one_value",
            "sequence-controls",
            'control_input [ { name: "s" control [ { kind: CONTROL_SEQUENCE_END fp32_false_true: [ 0 ] } ] } ]',
            loads=False,
        ),
        sequence(
            "no_value",
            "sequence-controls",
            'control_input [ { name: "s" control [ { kind: CONTROL_SEQUENCE_READY } ] } ]',
            loads=False,
        ),
        sequence("twice", "sequence-controls", start + " " + start.replace('"s"', '"t"'), loads=False),
        sequence("same_tensor", "sequence-controls", start + " " + start.replace("START", "END"), loads=False),
        sequence(
            "correlation_type",
            "sequence-controls",
            'control_input [ { name: "c" control [ { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_FP32 } ] } ]',
            loads=False,
        ),
        sequence(
            "correlation",
            "",
            'control_input [ { name: "c" control [ { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 } ] } ]',
            loads=True,
        ),
        sequence("oldest_over", "preferred-batch-size", "oldest { preferred_batch_size: [ 8 ] }", loads=False),
        sequence("slots_over", "sequence-slots", "direct { minimum_slot_utilization: 1.5 }", loads=False),
        sequence("state", "", state % 'name: "i" data_type: TYPE_FP32 dims: [ 4 ] zero_data: true', loads=True),
        sequence(
            "state_type",
            "sequence-state",
            state % 'name: "i" data_type: TYPE_FP16 dims: [ 4 ] zero_data: true',
            loads=False,
        ),
        sequence(
            "state_no_name", "sequence-state", state % "data_type: TYPE_FP32 dims: [ 4 ] zero_data: true", loads=False
        ),
        sequence(
            "state_dims",
            "sequence-state",
            state % 'name: "i" data_type: TYPE_FP32 dims: [ 3 ] zero_data: true',
            loads=False,
        ),
        sequence(
            "state_file",
            "sequence-state",
            state % 'name: "i" data_type: TYPE_FP32 dims: [ 4 ] data_file: "f"',
            loads=False,
        ),
        sequence("state_nothing", "sequence-state", state % 'name: "i" data_type: TYPE_FP32 dims: [ 4 ]', loads=False),
        python_case(
            "decoupled_cache",
            "response-cache",
            PLAIN + "model_transaction_policy { decoupled: true } response_cache { enable: true }\n",
            loads=False,
        ),
        python_case(
            "sequence_strategy",
            "batch-strategy",
            BATCHING
            + "sequence_batching { }\n"
            + 'parameters { key: "TRITON_BATCH_STRATEGY_PATH" value: { string_value: "/b.so" } }\n',
            loads=False,
        ),
    ]


def _instance_cases() -> list[Case]:
    def group(label: str, rule: str, text: str, *, loads: bool) -> Case:
        config = PLAIN.replace("kind: KIND_CPU count: 1", text)
        return python_case(f"instances_{label}", rule, config, loads=loads)

    return [
        group("auto", "", "kind: KIND_AUTO", loads=True),
        group("count_zero", "", "kind: KIND_CPU count: 0", loads=True),
        group("count_negative", "", "kind: KIND_CPU count: -1", loads=True),
        group("gpu", "instance-gpu", "kind: KIND_GPU", loads=False),
        group("gpu_of_number", "instance-gpu", "kind: KIND_GPU gpus: [ 0 ]", loads=False),
        group("auto_gpus", "instance-gpus-list", "kind: KIND_AUTO gpus: [ 0 ]", loads=False),
        group("cpu_gpus", "instance-gpus-list", "kind: KIND_CPU gpus: [ 0 ]", loads=False),
        group("model_gpus", "instance-gpus-list", "kind: KIND_MODEL gpus: [ 0 ]", loads=False),
        group("profile", "instance-profile", 'kind: KIND_CPU profile: [ "0" ]', loads=False),
        group("passive", "", "kind: KIND_CPU count: 1 passive: true", loads=True),
        group("two_groups", "", "kind: KIND_CPU count: 1 }, { kind: KIND_CPU count: 1", loads=True),
    ]


def _warmup_cases() -> list[Case]:
    def sample(label: str, rule: str, text: str, *, loads: bool, batch: int = 1, **files: bytes) -> Case:
        warmup = f'model_warmup [ {{ name: "w" batch_size: {batch} {text} }} ]\n'
        return python_case(f"warmup_{label}", rule, BATCHING + warmup, loads=loads, **files)

    def entry(value: str, name: str = "x") -> str:
        return f'inputs {{ key: "{name}" value: {{ {value} }} }}'

    fp32 = "data_type: TYPE_FP32 dims: [ 4 ]"
    return [
        sample("zero", "", entry(f"{fp32} zero_data: true"), loads=True),
        sample("random", "", entry(f"{fp32} random_data: true"), loads=True, batch=4),
        sample("none", "warmup-inputs", "", loads=False),
        sample("no_source", "warmup-data", entry(fp32), loads=False),
        sample("free", "warmup-data", entry("data_type: TYPE_FP32 dims: [ -1 ] zero_data: true"), loads=False),
        sample("type", "warmup-inputs", entry("data_type: TYPE_INT32 dims: [ 4 ] zero_data: true"), loads=False),
        sample("dims", "warmup-inputs", entry("data_type: TYPE_FP32 dims: [ 3 ] zero_data: true"), loads=False),
        sample("rank", "warmup-inputs", entry("data_type: TYPE_FP32 dims: [ 1, 4 ] zero_data: true"), loads=False),
        sample("other", "warmup-inputs", entry(f"{fp32} zero_data: true", "z"), loads=False),
        sample(
            "unknown_beside", "", entry(f"{fp32} zero_data: true") + entry(f"{fp32} zero_data: true", "z"), loads=True
        ),
        sample("file", "", entry(f'{fp32} input_data_file: "f"'), loads=True, warmup__f=struct.pack("<4f", 1, 2, 3, 4)),
        sample("file_missing", "warmup-data", entry(f'{fp32} input_data_file: "f"'), loads=False),
        sample("file_short", "warmup-data", entry(f'{fp32} input_data_file: "f"'), loads=False, warmup__f=b"1234"),
        sample(
            "skipped", "warmup-unused", entry("data_type: TYPE_FP32 dims: [ 3 ] zero_data: true"), loads=True, batch=0
        ),
    ]


def _python_cases() -> list[Case]:
    return [
        python_case("python_syntax", "python-syntax", PLAIN, loads=False, source="def execute(:\n"),
        python_case("python_no_class", "python-class", PLAIN, loads=False, source="class Model:\n    pass\n"),
        python_case(
            "python_no_execute", "python-execute", PLAIN, loads=True, source="class TritonPythonModel:\n    x = 1\n"
        ),
        python_case(
            "python_assigned", "", PLAIN, loads=True, source=f"{IDENTITY}\nTritonPythonModel = TritonPythonModel\n"
        ),
        python_case("python_without_tensors", "", PYTHON, loads=True),
        python_case(
            "python_force_cpu",
            "python-parameters",
            PLAIN + 'parameters { key: "FORCE_CPU_ONLY_INPUT_TENSORS" value: { string_value: "true" } }\n',
            loads=False,
        ),
        python_case(
            "python_environment",
            "python-parameters",
            PLAIN
            + 'parameters { key: "EXECUTION_ENV_PATH" '
            + 'value: { string_value: "$$TRITON_MODEL_DIRECTORY/env.tar.gz" } }\n',
            loads=False,
        ),
    ]


def _ensemble_cases() -> list[Case]:
    plain_step = (
        'model_name: "NAME_part" model_version: -1 '
        'input_map { key: "x" value: "in" } output_map { key: "y" value: "out" }'
    )
    tensors = X.replace('"x"', '"in"') + Y.replace('"y"', '"out"')

    def ensemble(
        label: str,
        rule: str,
        steps: str = plain_step,
        *,
        loads: bool,
        head: str = 'platform: "ensemble"\n',
        io: str = tensors,
        part: str | None = PLAIN,
        more: str = "",
        version: str = "1/keep",
    ) -> Case:
        name = f"ensemble_{label}"
        scheduling = f"ensemble_scheduling {{ step [ {{ {steps} }} ] }}\n" if steps else "ensemble_scheduling { }\n"
        files = {f"{name}/config.pbtxt": (head + io + scheduling + more).replace("NAME", name), f"{name}/{version}": ""}
        if part is not None:
            files |= {f"{name}_part/config.pbtxt": part, f"{name}_part/1/model.py": IDENTITY}
        return Case(name=name, rule=rule, loads=loads, files=files)

    two = plain_step.replace('"out"', '"mid"') + " }, { " + plain_step.replace('"in"', '"mid"')
    pinned = plain_step.replace("model_version: -1", "model_version: %d")
    batching_io = "max_batch_size: 4\n" + tensors
    full_io = tensors.replace("[ 4 ]", "[ -1, 4 ]")
    return [
        ensemble("plain", "", loads=True),
        ensemble("two_steps", "", two, loads=True),
        ensemble("steps_in_any_order", "", " }, { ".join(reversed(two.split(" }, { "))), loads=True),
        ensemble("empty_version", "ensemble-version-empty", loads=True, version="1/"),
        ensemble("version_tmp", "version-ambiguous", loads=True, version="2.tmp/keep"),
        ensemble("no_step", "ensemble-steps", "", loads=False, part=None),
        ensemble("no_platform", "ensemble-platform", loads=False, head=""),
        ensemble("backend", "ensemble-platform", loads=False, head='platform: "ensemble" backend: "python"\n'),
        ensemble("python_platform", "ensemble-platform", loads=False, head='backend: "python"\n'),
        Case(
            name="ensemble_without_scheduling",
            rule="ensemble-platform",
            loads=False,
            files={
                "ensemble_without_scheduling/config.pbtxt": 'platform: "ensemble"\n' + tensors,
                "ensemble_without_scheduling/1/keep": "",
            },
        ),
        ensemble("instances", "ensemble-extras", loads=False, more=ONE),
        ensemble("optimization", "ensemble-extras", loads=False, more="optimization { }\n"),
        ensemble("warmup", "ensemble-extras", loads=False, more='model_warmup [ { name: "w" } ]\n'),
        ensemble("no_model_name", "ensemble-steps", plain_step.replace('model_name: "NAME_part"', ""), loads=False),
        ensemble(
            "no_input_map", "ensemble-steps", plain_step.replace('input_map { key: "x" value: "in" }', ""), loads=False
        ),
        ensemble(
            "no_output_map",
            "ensemble-steps",
            plain_step.replace('output_map { key: "y" value: "out" }', ""),
            loads=False,
        ),
        ensemble("input_unused", "ensemble-data-flow", plain_step.replace('"in"', '"inn"'), loads=False),
        ensemble("output_unknown", "ensemble-data-flow", plain_step.replace('"out"', '"outt"'), loads=False),
        ensemble("written_twice", "ensemble-data-flow", f"{plain_step} }}, {{ {plain_step}", loads=False),
        ensemble(
            "dangling",
            "ensemble-data-flow",
            two.replace('key: "x" value: "mid"', 'key: "x" value: "nowhere"'),
            loads=False,
        ),
        ensemble(
            "left_over",
            "ensemble-data-flow",
            plain_step + " }, { " + plain_step.replace('"out"', '"other"'),
            loads=False,
        ),
        ensemble("missing_model", "ensemble-step-missing", loads=False, part=None),
        ensemble("failing_model", "ensemble-step-fails", loads=False, part=PLAIN + "max_batch_size: -1\n"),
        ensemble("pinned", "", pinned % 1, loads=True),
        ensemble("pinned_absent", "ensemble-step-fails", pinned % 2, loads=False),
        ensemble("version_unset", "ensemble-step-fails", plain_step.replace("model_version: -1", ""), loads=False),
        ensemble("itself", "ensemble-cycle", plain_step.replace("NAME_part", "NAME"), loads=False, part=None),
        ensemble("input_name", "ensemble-maps", plain_step.replace('key: "x"', 'key: "xx"'), loads=False),
        ensemble("output_name", "ensemble-maps", plain_step.replace('key: "y"', 'key: "yy"'), loads=False),
        ensemble(
            "input_not_mapped",
            "ensemble-maps",
            loads=False,
            part=PLAIN + 'input [ { name: "z" data_type: TYPE_FP32 dims: [ 1 ] } ]\n',
        ),
        ensemble(
            "optional_not_mapped",
            "",
            loads=True,
            part=PLAIN + 'input [ { name: "z" data_type: TYPE_FP32 dims: [ 1 ] optional: true } ]\n',
        ),
        ensemble("type", "ensemble-tensors", loads=False, io=tensors.replace("TYPE_FP32", "TYPE_FP16", 1)),
        ensemble("shape", "ensemble-tensors", loads=False, io=tensors.replace("[ 4 ]", "[ 5 ]", 1)),
        ensemble("shape_free", "", loads=True, io=tensors.replace("[ 4 ]", "[ -1 ]")),
        ensemble("shape_rank", "ensemble-tensors", loads=False, io=tensors.replace("[ 4 ]", "[ 1, 4 ]")),
        ensemble("batching", "", loads=True, io=batching_io, part=BATCHING),
        ensemble("full_dims", "", loads=True, io=full_io, part=BATCHING),
        ensemble(
            "batching_over", "ensemble-batch-size", loads=False, io=batching_io.replace(": 4\n", ": 8\n"), part=BATCHING
        ),
        ensemble("batching_of_plain", "", loads=True, io=batching_io, part=PLAIN),
        ensemble(
            "reshape", "", loads=True, io=tensors.replace("[ 4 ] } ]\no", "[ 2, 2 ] reshape { shape: [ 4 ] } } ]\no")
        ),
        ensemble(
            "output_read_too",
            "ensemble-output-read",
            two,
            loads=True,
            io=tensors + 'output [ { name: "mid" data_type: TYPE_FP32 dims: [ 4 ] } ]\n',
        ),
        ensemble("decoupled_part", "", loads=True, part=PLAIN + DECOUPLED),
        ensemble("decoupled_twice_in_a_row", "", two, loads=True, part=PLAIN + DECOUPLED),
        ensemble(
            "decoupled_part_cached",
            "response-cache",
            loads=False,
            part=PLAIN + DECOUPLED,
            more="response_cache { enable: true }\n",
        ),
        _join_of_decoupled("ensemble_decoupled_and_input", 'value: "in"', loads=False),
        _join_of_decoupled("ensemble_decoupled_and_itself", 'value: "mid"', loads=True),
        ensemble("labels", "label-file", loads=False, io=tensors.replace('"out"', '"out" label_filename: "l"')),
    ]


def _join_of_decoupled(name: str, second: str, *, loads: bool) -> Case:
    """A step that reads what a decoupled model answers, and beside it another tensor."""
    z = 'input [ { name: "z" data_type: TYPE_FP32 dims: [ 4 ] } ]\n'
    config = (
        'platform: "ensemble"\n'
        + X.replace('"x"', '"in"')
        + Y.replace('"y"', '"out"')
        + f"""ensemble_scheduling {{ step [ {{
  model_name: "{name}_part" model_version: -1
  input_map {{ key: "x" value: "in" }} output_map {{ key: "y" value: "mid" }}
}}, {{
  model_name: "{name}_join" model_version: -1
  input_map {{ key: "x" value: "mid" }} input_map {{ key: "z" {second} }} output_map {{ key: "y" value: "out" }}
}} ] }}
"""
    )
    files = {
        f"{name}/config.pbtxt": config,
        f"{name}/1/keep": "",
        f"{name}_part/config.pbtxt": PLAIN + DECOUPLED,
        f"{name}_part/1/model.py": IDENTITY,
        f"{name}_join/config.pbtxt": PLAIN + z,
        f"{name}_join/1/model.py": IDENTITY,
    }
    return Case(name=name, rule="" if loads else "ensemble-decoupled", loads=loads, files=files)


CASES: tuple[Case, ...] = (
    *_text_cases(),
    *_directory_cases(),
    *_backend_cases(),
    *_tensor_cases(),
    *_scheduler_cases(),
    *_instance_cases(),
    *_warmup_cases(),
    *_python_cases(),
    *_ensemble_cases(),
)

# The same for the python backend: see `onnxruntime_models.ENDING_CASES`.
ENDING_CASES: tuple[Case, ...] = (
    python_case(
        "warmup_large_batch",
        "warmup-batch",
        BATCHING
        + 'model_warmup [ { name: "w" batch_size: 5 inputs { key: "x" value: { '
        + "data_type: TYPE_FP32 dims: [ 4 ] zero_data: true } } } ]\n",
        loads=False,
    ),
)
