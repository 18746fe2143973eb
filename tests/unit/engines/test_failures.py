"""Texts of TensorRT's parser and builder, as TensorRT-RTX 1.7.1 wrote them, and what is made of them."""

from pathlib import Path

import pytest

from builder.engines.failures import ParserComplaint, builder_error, parser_error
from tritonkit.spec.errors import GateError, UnavailableError

FP32_GEMM = (
    "IBuilder::buildSerializedNetwork: Error Code 1: Myelin ([pass.cpp:337: check_turing_op_compatibility] Cannot "
    "compile operation 'node_linear' for Turing (SM75): FP32 GEMM is not supported. In compileGraph at "
    "/_src/optimizer/myelin/codeGenerator.cpp:2012)"
)
SHAPES = (
    "IBuilder::buildSerializedNetwork: Error Code 4: Internal Error (kOPT values for profile 0 violate shape "
    "constraints: IShuffleLayer resh: reshaping failed for tensor: image Reshape dimension of -1 has no solution. In "
    "executeReshape at /_src/runtime/core/shapeMachine.cpp:340 In evaluateShapeChecks at "
    "/_src/optimizer/common/shapeCompiler.cpp:1375)"
)
NO_DRIVER = (
    "[checkMacros.cpp::catchCudaError::250] Error Code 1: Cuda Runtime (In catchCudaError at "
    "/_src/common/dispatch/checkMacros.cpp:250 (cudaError 35: CUDA driver version is insufficient for CUDA runtime "
    "version))"
)


def test_an_fp32_gemm_on_turing_names_the_node_and_the_way_out():
    error = builder_error("TensorRT-RTX 1.7.1.116", Path("m.onnx"), [FP32_GEMM], {"node_linear": "Gemm"})
    assert isinstance(error, GateError)
    assert error.got == (
        "node_linear (Gemm): Myelin (Cannot compile operation 'node_linear' for Turing (SM75): "
        "FP32 GEMM is not supported)"
    )
    assert "FP16" in str(error.hint)
    assert "onnxruntime" in str(error.hint)


def test_shapes_that_do_not_fit_name_the_node():
    error = builder_error("TensorRT 10", Path("m.onnx"), [SHAPES], {"resh": "Reshape"})
    assert str(error.got).startswith("resh (Reshape): ")
    assert "narrow the batch range" in str(error.hint)


def test_no_driver_is_something_missing_and_not_a_refusal():
    assert isinstance(builder_error("TensorRT 10", Path("m.onnx"), [NO_DRIVER], {}), UnavailableError)


def test_a_refusal_counts_before_a_missing_driver():
    assert isinstance(builder_error("TensorRT 10", Path("m.onnx"), [NO_DRIVER, FP32_GEMM], {}), GateError)


def test_an_unknown_reason_is_told_as_it_is():
    error = builder_error("TensorRT 10", Path("m.onnx"), ["Error Code 99: the moon is full"], {})
    assert error.got == "Error Code 99: the moon is full"


@pytest.mark.parametrize(
    ("code", "text", "meaning", "advice"),
    [
        ("UNSUPPORTED_NODE", "false", "does not have this operator", "onnxruntime"),
        (
            "INVALID_NODE",
            'creator && "Plugin not found, are the plugin name, version, and namespace correct?"',
            "no plugin of that name",
            "standard operators",
        ),
        (
            "INVALID_NODE",
            "Assertion failed: shiftIsAllZeros(zeroPoint): Non-zero zero point is not supported.",
            "quantised",
            "symmetrically",
        ),
        ("INVALID_NODE", "Assertion failed: rank mismatch", "contradicts itself", "check_model"),
        ("UNSUPPORTED_NODE_DATATYPE", "false", "no such data type", "cast"),
        ("SOMETHING_NEW", "text", "SOMETHING_NEW: text", "export"),
    ],
)
def test_a_complaint_names_its_node_and_what_to_do(code, text, meaning, advice):
    complaint = ParserComplaint(code=code, node="toss", operator="Bernoulli", text=text)
    error = parser_error("TensorRT 10", Path("m.onnx"), [complaint])
    assert "node toss (Bernoulli)" in str(error.got)
    assert meaning in str(error.got)
    assert advice in str(error.hint)


def test_every_complaint_is_told_and_the_same_advice_once():
    complaints = [
        ParserComplaint(code="UNSUPPORTED_NODE", node=name, operator="Bernoulli", text="false") for name in ("a", "b")
    ]
    error = parser_error("TensorRT 10", Path("m.onnx"), complaints)
    assert "2 nodes" in error.what
    assert "node a" in str(error.got)
    assert "node b" in str(error.got)
    assert str(error.hint).count("replace it") == 1
