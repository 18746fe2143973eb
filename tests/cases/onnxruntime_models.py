"""What Triton's onnxruntime backend loads and what it refuses: one table for the embedded backend and for lint.

The verdicts are those of the C++ backend on a machine without a GPU. `CASES` is data; `write_case` makes a model folder
of one case.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

OPSET = 17
IR_VERSION = 8


def _tensor(name: str, shape: list[object] | None, element: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, element, shape)


def _model(nodes, inputs, outputs, initializers=(), *, opset: int = OPSET, ir_version: int = IR_VERSION) -> bytes:
    graph = helper.make_graph(list(nodes), "network", list(inputs), list(outputs), list(initializers))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
    return model.SerializeToString()


def identity(
    shape: list[object] | None, element: int = TensorProto.FLOAT, *, opset: int = OPSET, ir_version: int = IR_VERSION
) -> bytes:
    """`y = x`, both of `shape`, or without one."""
    return _model(
        [helper.make_node("Identity", ["x"], ["y"])],
        [_tensor("x", shape, element)],
        [_tensor("y", shape, element)],
        opset=opset,
        ir_version=ir_version,
    )


def linear() -> bytes:
    """`y = x @ w`: [N, 4] -> [N, 3], 12 weights, w[i][j] = 3 i + j."""
    weights = numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(4, 3), "w")
    return _model(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], [_tensor("x", ["N", 4])], [_tensor("y", ["N", 3])], [weights]
    )


def two_inputs() -> bytes:
    """`total = a + b`, `difference = a - b`, each [N, 4]."""
    return _model(
        [helper.make_node("Add", ["a", "b"], ["total"]), helper.make_node("Sub", ["a", "b"], ["difference"])],
        [_tensor("a", ["N", 4]), _tensor("b", ["N", 4])],
        [_tensor("total", ["N", 4]), _tensor("difference", ["N", 4])],
    )


def overridable() -> bytes:
    """`y = x + bias`, each [4]; `bias` is an initializer of ones and an input too."""
    bias = numpy_helper.from_array(np.ones(4, dtype=np.float32), "bias")
    return _model(
        [helper.make_node("Add", ["x", "bias"], ["y"])],
        [_tensor("x", [4]), _tensor("bias", [4])],
        [_tensor("y", [4])],
        [bias],
    )


def overridable_batched() -> bytes:
    """`y = x + bias`, x [N, 4], bias [4] an initializer and an input too."""
    bias = numpy_helper.from_array(np.ones(4, dtype=np.float32), "bias")
    return _model(
        [helper.make_node("Add", ["x", "bias"], ["y"])],
        [_tensor("x", ["N", 4]), _tensor("bias", [4])],
        [_tensor("y", ["N", 4])],
        [bias],
    )


def sequence_output() -> bytes:
    """Its output is a sequence of tensors, not a tensor."""
    output = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)
    return _model([helper.make_node("SequenceConstruct", ["x"], ["y"])], [_tensor("x", ["N", 4])], [output])


def mixed_batch() -> bytes:
    """x [N, 4] -> y [4]: the output has no batch dimension."""
    axes = numpy_helper.from_array(np.array([0], dtype=np.int64), "axes")
    return _model(
        [helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=0)],
        [_tensor("x", ["N", 4])],
        [_tensor("y", [4])],
        [axes],
    )


def accumulator() -> bytes:
    """`sum' = (1 - start) * sum + x`, `y = sum'`: x, start and the state `sum`, each [N, 1]."""
    one = numpy_helper.from_array(np.ones((1, 1), dtype=np.float32), "one")
    return _model(
        [
            helper.make_node("Sub", ["one", "start"], ["keep"]),
            helper.make_node("Mul", ["keep", "sum_in"], ["kept"]),
            helper.make_node("Add", ["kept", "x"], ["sum_out"]),
            helper.make_node("Identity", ["sum_out"], ["y"]),
        ],
        [_tensor("x", ["N", 1]), _tensor("start", ["N", 1]), _tensor("sum_in", ["N", 1])],
        [_tensor("y", ["N", 1]), _tensor("sum_out", ["N", 1])],
        [one],
    )


def ragged() -> bytes:
    """x [-1] flat, counts [-1]: `y` = counts as they are, `z` = x doubled."""
    return _model(
        [helper.make_node("Identity", ["counts"], ["y"]), helper.make_node("Add", ["x", "x"], ["z"])],
        [_tensor("x", ["total"]), _tensor("counts", ["requests"])],
        [_tensor("y", ["requests"]), _tensor("z", ["total"])],
    )


def external_data() -> tuple[bytes, bytes]:
    """`linear` with its weights in `weights.bin`: the model and that file."""
    raw = np.arange(12, dtype=np.float32).tobytes()
    model = onnx.load_model_from_string(linear())
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", str(len(raw)))):
        weights.external_data.add(key=key, value=value)
    return model.SerializeToString(), raw


NETWORKS: Mapping[str, Callable[[], bytes]] = {
    "linear": linear,
    "wide": lambda: identity(["N", 16]),
    "fixed": lambda: identity([2, 16]),
    "free": lambda: identity(["N", "M"]),
    "rows": lambda: identity(["N"]),
    "scalar": lambda: identity([]),
    "no_shape": lambda: identity(None),
    "vector": lambda: identity([4]),
    "image": lambda: identity(["N", 3, 8, 8]),
    "two_inputs": two_inputs,
    "overridable": overridable,
    "overridable_batched": overridable_batched,
    "sequence_output": sequence_output,
    "mixed_batch": mixed_batch,
    "accumulator": accumulator,
    "ragged": ragged,
    "external": lambda: external_data()[0],
    "weights.bin": lambda: external_data()[1],
    "garbage": lambda: b"this is no protobuf message of ONNX",
    "truncated": lambda: linear()[:-20],
    "empty": lambda: b"",
    "opset_26": lambda: identity(["N", 4], opset=26, ir_version=13),
    "opset_27": lambda: identity(["N", 4], opset=27, ir_version=13),
    "opset_22": lambda: identity(["N", 4], opset=22, ir_version=10),
    "ir_14": lambda: identity(["N", 4], opset=17, ir_version=14),
    "complex": lambda: identity(["N", 4], TensorProto.COMPLEX64),
    "float8": lambda: identity(["N", 4], TensorProto.FLOAT8E4M3FN, opset=19, ir_version=9),
    **{
        f"type_{name}": (lambda element=element: identity(["N", 4], element))
        for name, element in {
            "BOOL": TensorProto.BOOL,
            "UINT8": TensorProto.UINT8,
            "UINT16": TensorProto.UINT16,
            "UINT32": TensorProto.UINT32,
            "UINT64": TensorProto.UINT64,
            "INT8": TensorProto.INT8,
            "INT16": TensorProto.INT16,
            "INT32": TensorProto.INT32,
            "INT64": TensorProto.INT64,
            "FP16": TensorProto.FLOAT16,
            "FP32": TensorProto.FLOAT,
            "FP64": TensorProto.DOUBLE,
            "STRING": TensorProto.STRING,
            "BF16": TensorProto.BFLOAT16,
        }.items()
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One model folder and the verdict of the C++ backend.

    Attributes:
        name: the model folder's name.
        rule: the rule that it stands for.
        loads: the verdict.
        config: the text of `config.pbtxt`; `None` means that there is none.
        files: by path below the model folder, the name in `NETWORKS` of what is in it. A path that ends in `/` is an
            empty folder.
        completed: fields of the completed configuration, as Triton's configuration API gives them; checked as far as
            they are given.
        auto_complete: whether the server runs with auto-complete.
        target: the release, where the verdict depends on it.
        aborts: the container's server does not refuse the model but ends.
    """

    name: str
    rule: str
    loads: bool
    config: str | None = None
    files: Mapping[str, str] = field(default_factory=lambda: {"1/model.onnx": "linear"})
    completed: Mapping[str, object] = field(default_factory=dict)
    auto_complete: bool = True
    target: str = "26.07"
    aborts: bool = False


def write_case(case: Case, repository: Path) -> Path:
    """Writes the model folder of `case` below `repository`."""
    folder = repository / case.name
    folder.mkdir(parents=True)
    for path, network in case.files.items():
        target = folder / path
        if path.endswith("/"):
            target.mkdir(parents=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(NETWORKS[network]())
    if case.config is not None:
        (folder / "config.pbtxt").write_text(case.config)
    return folder


# One instance, so that a table of many models loads fast.
BACKEND = 'backend: "onnxruntime"\ninstance_group [{ kind: KIND_CPU count: 1 }]\n'
X4 = 'input [{ name: "x" data_type: TYPE_FP32 dims: [4] }]\n'
Y3 = 'output [{ name: "y" data_type: TYPE_FP32 dims: [3] }]\n'
LINEAR = BACKEND + "max_batch_size: 8\n" + X4 + Y3
# Without instances, for the cases about them.
BARE = 'backend: "onnxruntime"\nmax_batch_size: 8\n' + X4 + Y3


RAGGED = (
    BACKEND
    + "max_batch_size: 8\n"
    + 'input [{ name: "x" data_type: TYPE_FP32 dims: [-1] allow_ragged_batch: true }]\n'
    + 'output [{ name: "y" data_type: TYPE_FP32 dims: [1] reshape { shape: [] } }]\n'
    + 'batch_input [{ kind: BATCH_ELEMENT_COUNT target_name: "counts" data_type: TYPE_FP32 source_input: "x" }]\n'
    + "dynamic_batching { max_queue_delay_microseconds: 200000 }\n"
)


def _io(x_dims: str, y_dims: str, *, batch: int = 0, data_type: str = "TYPE_FP32", extra: str = "") -> str:
    return (
        f"{BACKEND}max_batch_size: {batch}\n"
        f'input [{{ name: "x" data_type: {data_type} dims: [{x_dims}] {extra} }}]\n'
        f'output [{{ name: "y" data_type: {data_type} dims: [{y_dims}] }}]\n'
    )


def _parameter(key: str, value: str) -> str:
    return f'{LINEAR}parameters {{ key: "{key}" value: {{ string_value: "{value}" }} }}\n'


def _warmup(batch: int, dims: str = "4", also: str = "") -> str:
    """A warm-up sample for `x`, and for an input `also` if one is named."""
    entries = " ".join(
        f'inputs: {{ key: "{name}" value: {{ data_type: TYPE_FP32 dims: [{dims}] zero_data: true }} }}'
        for name in ("x", also)
        if name
    )
    return f'model_warmup [{{ name: "zeros" batch_size: {batch} {entries} }}]\n'


def _files(network: str, path: str = "1/model.onnx") -> dict[str, str]:
    return {path: network}


def _parameter_cases() -> list[Case]:
    verdicts: list[tuple[str, str, str, bool]] = [
        ("intra_op_thread_count", "one", "1", True),
        ("intra_op_thread_count", "zero", "0", True),
        ("intra_op_thread_count", "negative", "-3", True),
        ("intra_op_thread_count", "trailing", "1abc", True),
        ("intra_op_thread_count", "leading_blank", " 1", True),
        ("intra_op_thread_count", "fraction", "1.9", True),
        ("intra_op_thread_count", "plus", "+1", True),
        ("intra_op_thread_count", "word", "two", False),
        ("intra_op_thread_count", "nothing", "", False),
        ("intra_op_thread_count", "sign_alone", "-", False),
        ("inter_op_thread_count", "one", "1", True),
        ("inter_op_thread_count", "word", "many", False),
        ("execution_mode", "sequential", "0", True),
        ("execution_mode", "parallel", "1", True),
        ("execution_mode", "two", "2", False),
        ("execution_mode", "negative", "-1", False),
        ("execution_mode", "word", "parallel", False),
        ("enable_mem_arena", "true", "true", True),
        ("enable_mem_arena", "upper_on", "ON", True),
        ("enable_mem_arena", "zero", "0", True),
        ("enable_mem_arena", "yes", "yes", False),
        ("enable_mem_arena", "nothing", "", False),
        ("enable_mem_pattern", "off", "Off", True),
        ("enable_mem_pattern", "two", "2", False),
        ("memory.enable_memory_arena_shrinkage", "cpu", "cpu:0", True),
        ("memory.enable_memory_arena_shrinkage", "nonsense", "nonsense", True),
        ("session.use_device_allocator_for_initializers", "one", "1", True),
        ("cudnn_conv_algo_search", "ignored_on_cpu", "nonsense", True),
        ("gpu_mem_limit", "ignored_on_cpu", "nonsense", True),
        ("arena_extend_strategy", "ignored_on_cpu", "7", True),
        ("do_copy_in_default_stream", "ignored_on_cpu", "perhaps", True),
        ("no_such_parameter", "ignored", "anything", True),
    ]
    return [
        Case(
            name=f"parameter_{key.replace('.', '_')}_{label}",
            rule=f"parameter {key}",
            loads=loads,
            config=_parameter(key, value),
        )
        for key, label, value, loads in verdicts
    ]


def _type_cases() -> list[Case]:
    names = ("BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64")
    return [
        Case(
            name=f"type_{name.lower()}",
            rule="data types",
            loads=True,
            config=_io("4", "4", batch=8, data_type=f"TYPE_{name}"),
            files=_files(f"type_{name}"),
        )
        for name in (*names, "STRING", "BF16")
    ]


def _accumulating(state: str | None) -> str:
    """A configuration of `accumulator` whose one state is as said."""
    return (
        BACKEND
        + "max_batch_size: 8\n"
        + 'input [{ name: "x" data_type: TYPE_FP32 dims: [1] }]\n'
        + 'output [{ name: "y" data_type: TYPE_FP32 dims: [1] }]\n'
        + "sequence_batching { max_sequence_idle_microseconds: 60000000\n"
        + ' control_input [{ name: "start" control [{ kind: CONTROL_SEQUENCE_START fp32_false_true: [0, 1] }] }]\n'
        + ("" if state is None else f" state [{{ {state} }}]\n")
        + "}\n"
    )


CASES: tuple[Case, ...] = (
    # Selection and files
    Case(name="select_backend", rule="backend alone selects", loads=True, config=LINEAR),
    Case(
        name="select_platform",
        rule="platform alone selects",
        loads=True,
        config=LINEAR.replace('backend: "onnxruntime"', 'platform: "onnxruntime_onnx"'),
    ),
    Case(name="select_file", rule="model.onnx alone selects", loads=True),
    Case(
        name="select_unknown_platform",
        rule="platform must be known",
        loads=False,
        config=LINEAR.replace('backend: "onnxruntime"', 'platform: "onnx"'),
    ),
    Case(
        name="select_unknown_backend",
        rule="backend must exist",
        loads=False,
        config=LINEAR.replace('"onnxruntime"', '"onnxrt"'),
    ),
    Case(
        name="file_named",
        rule="default_model_filename names the file",
        loads=True,
        config=LINEAR + 'default_model_filename: "net.onnx"\n',
        files=_files("linear", "1/net.onnx"),
    ),
    Case(
        name="file_folder",
        rule="a folder holds model.onnx",
        loads=True,
        config=LINEAR,
        files=_files("linear", "1/model.onnx/model.onnx"),
    ),
    Case(
        name="file_external_data",
        rule="external data lies beside the model",
        loads=True,
        config=LINEAR,
        files={"1/model.onnx": "external", "1/weights.bin": "weights.bin"},
    ),
    Case(
        name="file_external_data_missing",
        rule="external data lies beside the model",
        loads=False,
        config=LINEAR,
        files=_files("external"),
    ),
    Case(
        name="file_missing",
        rule="the model file exists",
        loads=False,
        config=LINEAR,
        files=_files("linear", "1/m.onnx"),
    ),
    Case(name="file_no_version", rule="a version folder exists", loads=False, config=LINEAR, files={}),
    Case(name="file_empty_version", rule="the model file exists", loads=False, config=LINEAR, files={"1/": ""}),
    Case(name="file_garbage", rule="the model file is ONNX", loads=False, config=LINEAR, files=_files("garbage")),
    Case(name="file_truncated", rule="the model file is ONNX", loads=False, config=LINEAR, files=_files("truncated")),
    Case(name="file_empty", rule="the model file is ONNX", loads=False, config=LINEAR, files=_files("empty")),
    Case(
        name="file_cc_model_filenames",
        rule="cc_model_filenames is read for GPU instances only",
        loads=True,
        config=LINEAR + 'cc_model_filenames [{ key: "8.6" value: "no_such_file.onnx" }]\n',
    ),
    Case(name="config_unknown_field", rule="fields are known", loads=False, config=LINEAR + "max_batchsize: 4\n"),
    Case(
        name="config_two_schedulers",
        rule="one scheduler",
        loads=False,
        config=LINEAR + "dynamic_batching {}\nsequence_batching {}\n",
    ),
    Case(name="config_other_name", rule="name equals folder", loads=False, config='name: "other"\n' + LINEAR),
    # Parameters
    *_parameter_cases(),
    Case(
        name="parameter_overflow",
        rule="an integer parameter fits 32 bits",
        loads=False,
        config=_parameter("intra_op_thread_count", "99999999999"),
        aborts=True,
    ),
    Case(
        name="parameter_unquoted",
        rule="string_value is quoted",
        loads=False,
        config=LINEAR + 'parameters { key: "execution_mode" value: { string_value: 1 } }\n',
    ),
    Case(
        name="parameter_twice",
        rule="a parameter given twice loads",
        loads=True,
        config=_parameter("execution_mode", "0")
        + 'parameters { key: "execution_mode" value: { string_value: "1" } }\n',
    ),
    # Optimisation
    *(
        Case(
            name=f"graph_level_{str(level).replace('-', 'minus_')}",
            rule="any graph level loads",
            loads=True,
            config=f"{LINEAR}optimization {{ graph {{ level: {level} }} }}\n",
        )
        for level in (-1, 0, 1, 2, 3, 99)
    ),
    Case(
        name="accelerator_cpu_openvino",
        rule="CPU accelerators need a build that has them",
        loads=False,
        config=LINEAR
        + 'optimization { execution_accelerators { cpu_execution_accelerator: [{ name: "openvino" }] } }\n',
    ),
    Case(
        name="accelerator_gpu_ignored",
        rule="GPU accelerators are ignored on a CPU",
        loads=True,
        config=LINEAR
        + 'optimization { execution_accelerators { gpu_execution_accelerator: [{ name: "nonsense" }] } }\n',
    ),
    Case(
        name="op_library_missing",
        rule="custom operator libraries exist",
        loads=False,
        config=LINEAR + 'model_operations { op_library_filename: "/nowhere/libops.so" }\n',
    ),
    # Instances
    Case(
        name="instances_kind_cpu",
        rule="instances",
        loads=True,
        config=BARE + "instance_group [{ kind: KIND_CPU count: 1 }]\n",
        completed={"instance_group": [{"kind": "KIND_CPU", "count": 1}]},
    ),
    Case(
        name="instances_default",
        rule="two instances on a CPU by default",
        loads=True,
        config=BARE,
        completed={"instance_group": [{"kind": "KIND_CPU", "count": 2}]},
    ),
    Case(
        name="instances_kind_auto",
        rule="KIND_AUTO becomes KIND_CPU",
        loads=True,
        config=BARE + "instance_group [{ kind: KIND_AUTO count: 1 }]\n",
        completed={"instance_group": [{"kind": "KIND_CPU", "count": 1}]},
    ),
    Case(
        name="instances_kind_model",
        rule="KIND_MODEL loads",
        loads=True,
        config=BARE + "instance_group [{ kind: KIND_MODEL count: 1 }]\n",
    ),
    Case(
        name="instances_kind_gpu",
        rule="KIND_GPU needs a GPU",
        loads=False,
        config=BARE + "instance_group [{ kind: KIND_GPU count: 1 }]\n",
    ),
    # Auto-complete
    Case(
        name="complete_all",
        rule="a model that can batch gets batch size 4 and dynamic batching",
        loads=True,
        completed={
            "max_batch_size": 4,
            "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [4]}],
            "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [3]}],
            "dynamic_batching": {"preferred_batch_size": [4]},
        },
    ),
    Case(
        name="complete_skipped",
        rule="nothing is completed when both sides are given",
        loads=True,
        config=_io("-1, 4", "-1, 3"),
        completed={"max_batch_size": 0, "dynamic_batching": None},
    ),
    Case(
        name="complete_outputs",
        rule="one side given: the other is filled, batching included",
        loads=True,
        config=BACKEND + X4,
        completed={
            "max_batch_size": 4,
            "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [3]}],
            "dynamic_batching": {},
        },
    ),
    Case(
        name="complete_inputs",
        rule="one side given: the other is filled, batching included",
        loads=True,
        config=BACKEND + "max_batch_size: 16\n" + Y3,
        completed={"max_batch_size": 16, "input": [{"name": "x", "dims": [4]}], "dynamic_batching": {}},
    ),
    Case(
        name="complete_one_side_full_dims",
        rule="one side given with the batch dimension no longer fits once batching is filled in",
        loads=False,
        config=BACKEND + X4.replace("[4]", "[-1, 4]"),
    ),
    Case(
        name="complete_not_batchable",
        rule="a fixed first dimension: no batching, full dims",
        loads=True,
        files=_files("fixed"),
        completed={"max_batch_size": 0, "input": [{"name": "x", "dims": [2, 16]}], "dynamic_batching": None},
    ),
    Case(
        name="complete_not_batchable_but_asked",
        rule="max_batch_size above 0 needs a model that can batch",
        loads=False,
        config=BACKEND + "max_batch_size: 4\n",
        files=_files("fixed"),
    ),
    Case(
        name="complete_mixed_batch",
        rule="every output needs a free first dimension",
        loads=True,
        files=_files("mixed_batch"),
        completed={"max_batch_size": 0, "input": [{"name": "x", "dims": [-1, 4]}]},
    ),
    Case(
        name="complete_symbolic",
        rule="symbolic dims become -1",
        loads=True,
        files=_files("free"),
        completed={"max_batch_size": 4, "input": [{"name": "x", "dims": [-1]}]},
    ),
    Case(
        name="complete_rows",
        rule="a batch-only tensor becomes dims [1] with an empty reshape",
        loads=True,
        files=_files("rows"),
        completed={
            "max_batch_size": 4,
            "input": [{"name": "x", "dims": [1], "reshape": {"shape": []}}],
            "output": [{"name": "y", "dims": [1], "reshape": {"shape": []}}],
        },
    ),
    Case(
        name="complete_scalar",
        rule="a scalar becomes dims [1] without batching",
        loads=True,
        files=_files("scalar"),
        completed={"max_batch_size": 0, "input": [{"name": "x", "dims": [1]}], "output": [{"name": "y", "dims": [1]}]},
    ),
    Case(
        name="complete_keeps_scheduler",
        rule="a given scheduler stays",
        loads=True,
        config=BACKEND + "max_batch_size: 2\ndynamic_batching { max_queue_delay_microseconds: 100 }\n",
        completed={"max_batch_size": 2, "dynamic_batching": {"max_queue_delay_microseconds": 100}},
    ),
    Case(
        name="complete_batch_one",
        rule="max_batch_size 1 gets no dynamic batching",
        loads=True,
        config=BACKEND + "max_batch_size: 1\n",
        completed={"max_batch_size": 1, "dynamic_batching": None},
    ),
    Case(
        name="complete_off_nothing",
        rule="without auto-complete inputs must be given",
        loads=False,
        config=BACKEND,
        auto_complete=False,
    ),
    Case(
        name="complete_off_given",
        rule="without auto-complete a whole configuration loads",
        loads=True,
        config=LINEAR,
        auto_complete=False,
    ),
    # Validation: counts and names
    Case(
        name="inputs_too_few",
        rule="the number of inputs equals the model's",
        loads=False,
        config=BACKEND
        + "max_batch_size: 8\n"
        + 'input [{ name: "a" data_type: TYPE_FP32 dims: [4] }]\n'
        + 'output [{ name: "total" data_type: TYPE_FP32 dims: [4] }]\n',
        files=_files("two_inputs"),
    ),
    Case(
        name="inputs_twice",
        rule="the same input twice counts as two",
        loads=False,
        config=BACKEND
        + "max_batch_size: 8\n"
        + 'input [{ name: "x" data_type: TYPE_FP32 dims: [4] }, { name: "x" data_type: TYPE_FP32 dims: [4] }]\n'
        + Y3,
    ),
    Case(name="inputs_name", rule="input names", loads=False, config=LINEAR.replace('"x"', '"xx"')),
    Case(name="outputs_name", rule="output names", loads=False, config=LINEAR.replace('"y"', '"yy"')),
    Case(
        name="outputs_subset",
        rule="any subset of the outputs may be configured",
        loads=True,
        config=BACKEND
        + "max_batch_size: 8\n"
        + 'input [{ name: "a" data_type: TYPE_FP32 dims: [4] }, { name: "b" data_type: TYPE_FP32 dims: [4] }]\n'
        + 'output [{ name: "difference" data_type: TYPE_FP32 dims: [4] }]\n',
        files=_files("two_inputs"),
    ),
    # Validation: data types
    Case(name="dtype_input", rule="input data types", loads=False, config=LINEAR.replace("TYPE_FP32", "TYPE_FP16", 1)),
    Case(
        name="dtype_output",
        rule="output data types",
        loads=False,
        config=BACKEND + "max_batch_size: 8\n" + X4 + Y3.replace("FP32", "INT64"),
    ),
    Case(
        name="dtype_missing",
        rule="data_type is given",
        loads=False,
        config=BACKEND + 'max_batch_size: 8\ninput [{ name: "x" dims: [4] }]\n' + Y3,
    ),
    *_type_cases(),
    Case(
        name="type_bf16_before_2603",
        rule="BF16 since 26.03",
        loads=False,
        config=_io("4", "4", batch=8, data_type="TYPE_BF16"),
        files=_files("type_BF16"),
        target="26.02",
    ),
    Case(name="type_complex", rule="complex numbers are not served", loads=False, files=_files("complex")),
    Case(name="type_float8", rule="FP8 is not served", loads=False, files=_files("float8")),
    Case(name="type_sequence", rule="outputs are tensors", loads=False, files=_files("sequence_output")),
    # Validation: dims
    Case(
        name="dims_batch_fixed",
        rule="batching needs a free first dimension",
        loads=False,
        config=_io("16", "16", batch=8),
        files=_files("fixed"),
    ),
    Case(name="dims_rank", rule="rank", loads=False, config=_io("4, 1", "3", batch=8)),
    Case(name="dims_other", rule="a fixed dimension matches exactly", loads=False, config=_io("5", "3", batch=8)),
    Case(
        name="dims_free_for_fixed_input",
        rule="-1 for a fixed input dimension",
        loads=False,
        config=_io("-1", "3", batch=8),
    ),
    Case(
        name="dims_narrow_input",
        rule="an input may narrow a free dimension",
        loads=True,
        config=_io("5", "-1", batch=8),
        files=_files("free"),
    ),
    Case(
        name="dims_narrow_output",
        rule="an output says what the model says",
        loads=False,
        config=_io("-1", "5", batch=8),
        files=_files("free"),
    ),
    Case(
        name="dims_no_batching",
        rule="max_batch_size 0: the whole shape",
        loads=True,
        config=_io("-1, 4", "-1, 3"),
    ),
    Case(
        name="dims_no_batching_narrow",
        rule="max_batch_size 0: an input may narrow",
        loads=True,
        config=_io("1, 4", "-1, 3"),
    ),
    Case(
        name="dims_no_batching_narrow_output",
        rule="max_batch_size 0: an output is exact",
        loads=False,
        config=_io("1, 4", "1, 3"),
    ),
    Case(
        name="dims_reshape",
        rule="reshape replaces dims",
        loads=True,
        config=_io("2, 2", "3", batch=8, extra="reshape { shape: [4] }"),
    ),
    Case(
        name="dims_reshape_wrong",
        rule="reshape replaces dims",
        loads=False,
        config=_io("2, 3", "3", batch=8, extra="reshape { shape: [6] }"),
    ),
    Case(name="dims_missing", rule="dims are given", loads=False, config=LINEAR.replace("dims: [4]", "")),
    Case(name="dims_zero", rule="dims are 1 or more, or -1", loads=False, config=_io("0", "3", batch=8)),
    Case(name="dims_negative", rule="dims are 1 or more, or -1", loads=False, config=_io("-2", "3", batch=8)),
    Case(
        name="dims_scalar_one",
        rule="a scalar has dims [1]",
        loads=True,
        config=_io("1", "1"),
        files=_files("scalar"),
    ),
    Case(
        name="dims_scalar_two",
        rule="a scalar has dims [1]",
        loads=False,
        config=_io("2", "1"),
        files=_files("scalar"),
    ),
    Case(
        name="dims_no_shape",
        rule="a tensor without a shape counts as a scalar",
        loads=True,
        files=_files("no_shape"),
        completed={"max_batch_size": 0, "input": [{"name": "x", "dims": [1]}], "output": [{"name": "y", "dims": [1]}]},
    ),
    Case(
        name="dims_no_shape_but_given",
        rule="a tensor without a shape counts as a scalar",
        loads=False,
        config=_io("4", "4"),
        files=_files("no_shape"),
    ),
    Case(
        name="batch_negative",
        rule="max_batch_size is not negative",
        loads=False,
        config=LINEAR.replace("max_batch_size: 8", "max_batch_size: -1"),
    ),
    Case(
        name="batch_preferred_too_large",
        rule="preferred sizes are within max_batch_size",
        loads=False,
        config=LINEAR + "dynamic_batching { preferred_batch_size: [16] }\n",
    ),
    Case(
        name="format_rank",
        rule="FORMAT_NCHW has three dims",
        loads=False,
        config=_io("4", "3", batch=8, extra="format: FORMAT_NCHW"),
    ),
    Case(
        name="format_image",
        rule="FORMAT_NCHW has three dims",
        loads=True,
        config=_io("3, 8, 8", "3, 8, 8", batch=8, extra="format: FORMAT_NCHW"),
        files=_files("image"),
    ),
    Case(
        name="labels_missing",
        rule="label files exist",
        loads=False,
        config=LINEAR.replace("dims: [3]", 'dims: [3] label_filename: "labels.txt"'),
    ),
    Case(
        name="labels_fewer",
        rule="fewer labels than classes load",
        loads=True,
        config=LINEAR.replace("dims: [3]", 'dims: [3] label_filename: "labels.txt"'),
        files={"1/model.onnx": "linear", "labels.txt": "garbage"},
    ),
    # Optional inputs
    Case(
        name="optional_initializer",
        rule="an overridable initializer may be an optional input",
        loads=True,
        config=BACKEND
        + 'input [{ name: "x" data_type: TYPE_FP32 dims: [4] }, '
        + '{ name: "bias" data_type: TYPE_FP32 dims: [4] optional: true }]\n'
        + 'output [{ name: "y" data_type: TYPE_FP32 dims: [4] }]\n',
        files=_files("overridable"),
    ),
    Case(
        name="optional_initializer_left_out",
        rule="an overridable initializer may be left out",
        loads=True,
        config=_io("4", "4"),
        files=_files("overridable"),
    ),
    Case(
        name="optional_initializer_required",
        rule="an overridable initializer is optional or left out",
        loads=False,
        config=BACKEND
        + 'input [{ name: "x" data_type: TYPE_FP32 dims: [4] }, { name: "bias" data_type: TYPE_FP32 dims: [4] }]\n'
        + 'output [{ name: "y" data_type: TYPE_FP32 dims: [4] }]\n',
        files=_files("overridable"),
    ),
    Case(
        name="optional_batching",
        rule="optional inputs exclude batching",
        loads=False,
        config=BACKEND
        + 'max_batch_size: 4\ninput [{ name: "x" data_type: TYPE_FP32 dims: [4] }, '
        + '{ name: "bias" data_type: TYPE_FP32 dims: [4] optional: true }]\n'
        + 'output [{ name: "y" data_type: TYPE_FP32 dims: [4] }]\n',
        files=_files("overridable_batched"),
    ),
    Case(
        name="optional_real_input",
        rule="an optional input is an overridable initializer",
        loads=False,
        config=_io("4", "4", extra="optional: true"),
        files=_files("vector"),
    ),
    # Ragged inputs
    Case(
        name="ragged_flat",
        rule="a ragged input is [-1] in the model",
        loads=True,
        config=RAGGED,
        files=_files("ragged"),
    ),
    Case(
        name="ragged_not_flat",
        rule="a ragged input is [-1] in the model",
        loads=False,
        config=_io("-1", "-1", batch=8, extra="allow_ragged_batch: true"),
        files=_files("free"),
    ),
    # Sequences
    Case(
        name="sequence_state",
        rule="implicit state",
        loads=True,
        config=_accumulating('input_name: "sum_in" output_name: "sum_out" data_type: TYPE_FP32 dims: [1]'),
        files=_files("accumulator"),
    ),
    *(
        Case(
            name=f"sequence_state_{name}",
            # The C++ backend asks whether reading the states failed where it means whether it succeeded, and so
            # never looks at one (onnxruntime.cc, ValidateOutputs).
            rule="states are counted, and not held against the model",
            loads=True,
            config=_accumulating(state),
            files=_files("accumulator"),
        )
        for name, state in {
            "output_unknown": 'input_name: "sum_in" output_name: "other" data_type: TYPE_FP32 dims: [1]',
            "input_unknown": 'input_name: "other" output_name: "sum_out" data_type: TYPE_FP32 dims: [1]',
            "type": 'input_name: "sum_in" output_name: "sum_out" data_type: TYPE_FP64 dims: [1]',
            "dims": 'input_name: "sum_in" output_name: "sum_out" data_type: TYPE_FP32 dims: [7, 7]',
        }.items()
    ),
    Case(
        name="sequence_state_missing",
        rule="states count as inputs",
        loads=False,
        config=_accumulating(None),
        files=_files("accumulator"),
    ),
    Case(
        name="sequence_control_unknown",
        rule="a sequence control is an input of the model",
        loads=False,
        config=BACKEND
        + "max_batch_size: 8\n"
        + 'input [{ name: "x" data_type: TYPE_FP32 dims: [1] }, { name: "start" data_type: TYPE_FP32 dims: [1] }]\n'
        + 'output [{ name: "y" data_type: TYPE_FP32 dims: [1] }]\n'
        + "sequence_batching {\n"
        + ' control_input [{ name: "begin" control [{ kind: CONTROL_SEQUENCE_START fp32_false_true: [0, 1] }] }] }\n',
        files=_files("accumulator"),
    ),
    Case(
        name="sequence_control_type",
        rule="a sequence control has the model's data type",
        loads=False,
        config=BACKEND
        + "max_batch_size: 8\n"
        + 'input [{ name: "x" data_type: TYPE_FP32 dims: [1] }, { name: "sum_in" data_type: TYPE_FP32 dims: [1] }]\n'
        + 'output [{ name: "y" data_type: TYPE_FP32 dims: [1] }]\n'
        + "sequence_batching {\n"
        + ' control_input [{ name: "start" control [{ kind: CONTROL_SEQUENCE_START int32_false_true: [0, 1] }] }] }\n',
        files=_files("accumulator"),
    ),
    # Limits of the release
    Case(name="opset_highest", rule="highest opset of the release", loads=True, files=_files("opset_26")),
    Case(name="opset_too_new", rule="highest opset of the release", loads=False, files=_files("opset_27")),
    Case(name="ir_too_new", rule="highest IR version of the release", loads=False, files=_files("ir_14")),
    Case(
        name="opset_too_new_for_2410",
        rule="highest opset of the release",
        loads=False,
        files=_files("opset_22"),
        target="24.10",
    ),
    # What else loads
    Case(
        name="warmup",
        rule="warm-up",
        loads=True,
        config=LINEAR
        + 'model_warmup [{ name: "zeros" batch_size: 2 '
        + 'inputs: { key: "x" value: { data_type: TYPE_FP32 dims: [4] zero_data: true } } }]\n',
    ),
    Case(
        name="warmup_batch_full",
        rule="a warm-up's batch is run at once",
        loads=True,
        config=LINEAR + _warmup(8),
    ),
    Case(
        name="warmup_batch_of_one",
        rule="a warm-up's batch is run at once",
        loads=True,
        config=_io("1, 4", "-1, 3") + _warmup(1, "1, 4"),
    ),
    Case(
        name="batch_input_of_other_type",
        rule="a batch input's type is not looked at",
        loads=True,
        config=RAGGED.replace("TYPE_FP32 source_input", "TYPE_INT32 source_input"),
        files=_files("ragged"),
    ),
    Case(
        name="batch_input_warmed_up",
        rule="a batch input's type fails a warm-up",
        loads=True,
        config=RAGGED + _warmup(1),
        files=_files("ragged"),
    ),
    Case(
        name="decoupled",
        rule="a decoupled transaction policy loads",
        loads=True,
        config=LINEAR + "model_transaction_policy { decoupled: true }\n",
    ),
    Case(name="outputs_twice", rule="the same output twice loads", loads=True, config=LINEAR + Y3),
    Case(name="response_cache", rule="response cache", loads=True, config=LINEAR + "response_cache { enable: true }\n"),
    Case(
        name="queue_policy",
        rule="queue policy",
        loads=True,
        config=LINEAR + "dynamic_batching { default_queue_policy { max_queue_size: 4 } }\n",
    ),
)

# A warm-up sample that the backend refuses ended the whole server in most runs (SIGSEGV while the model is taken down),
# so that no server that loads other models can be asked about these.
ENDING_CASES: tuple[Case, ...] = (
    *(
        Case(name=f"warmup_{label}", rule=f"warm-up: {rule}", loads=False, config=config, aborts=True)
        for label, rule, config in (
            ("batch_over", "a batch is run at once", LINEAR + _warmup(9)),
            ("batch_without_batching", "a batch is run at once", _io("1, 4", "-1, 3") + _warmup(2, "1, 4")),
            ("unknown_input", "inputs are the model's", LINEAR + _warmup(1, also="z")),
        )
    ),
    Case(
        name="batch_input_of_other_type_warmed_up",
        rule="a batch input's type fails a warm-up",
        loads=False,
        config=RAGGED.replace("TYPE_FP32 source_input", "TYPE_INT32 source_input") + _warmup(1),
        files=_files("ragged"),
        aborts=True,
    ),
)
