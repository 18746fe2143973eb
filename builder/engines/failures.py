"""What TensorRT's parser and builder say, turned into which node, why, and what to do about it.

The parser gives a list of errors with node and code. The builder gives `None` and log lines; the node is in their
text. Texts were read off TensorRT-RTX 1.7.1; TensorRT shares parser and builder core.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tritonkit.spec.errors import GateError, KitError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_FALLBACK = "serve this variant on onnxruntime"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParserComplaint:
    """One error of the ONNX parser.

    Attributes:
        code: its `ErrorCode`, such as UNSUPPORTED_NODE.
        node: the node's name, `#4` where it has none; empty if no node is meant.
        operator: the node's operator.
        text: what the parser says.
    """

    code: str
    node: str
    operator: str
    text: str


# By what the parser's text holds, else by code; the first that fits. Left: a pattern over "CODE text".
_PARSER_ADVICE: tuple[tuple[str, str, str], ...] = (
    (r"Plugin not found|plugin creator", "TensorRT has no such operator and no plugin of that name is loaded",
     f"replace it by standard operators; or {_FALLBACK}"),
    (r"zero point|must have type FP8, FP4, Int4, Int8", "it is quantised as TensorRT is not",
     "quantise symmetrically to signed bytes and leave biases alone (QuantizeBias: False)"),
    (r"convert ONNX dat[ae] type|UNSUPPORTED_NODE_DATATYPE", "TensorRT has no such data type",
     f"cast it before the graph, or {_FALLBACK}"),
    (r"MODEL_DESERIALIZE_FAILED", "it cannot be read as ONNX", "export it again"),
    (r"UNSUPPORTED_NODE_DYNAMIC|UNSUPPORTED_NODE_SHAPE|UNSUPPORTED_NODE_ATTR|UNSUPPORTED_NODE_INPUT",
     "TensorRT does not take the operator with this attribute, input or shape",
     f"export it with constant shapes, or {_FALLBACK}"),
    (r"UNSUPPORTED", "TensorRT does not have this operator",
     f"replace it by operators of its support matrix (docs of onnx-tensorrt), or {_FALLBACK}"),
    (r"MEM_ALLOC|out of memory", "memory ran out", "free memory on this node"),
    (r"INVALID", "the node contradicts itself", "check the export: onnx.checker.check_model(path, full_check=True)"),
)  # fmt: skip

# By the builder's own words. A group `node` is the node that is meant.
_BUILDER_ADVICE: tuple[tuple[str, str], ...] = (
    (r"Cannot compile operation '(?P<node>[^']+)' for (?:[\w ]+)\((?P<sm>SM\d+)\): FP32 GEMM is not supported",
     f"this GPU takes no FP32 products here: convert the graph to FP16, leave this GPU out, or {_FALLBACK} there"),
    (r"values for profile \d+ violate shape constraints: \w+ (?P<node>[^:]+):",
     "the graph does not take every shape of the profile: narrow the batch range or the free dimensions"),
    (r"Dimension mismatch for tensor (?P<node>\S+) and profile",
     "the profile's shape is not the graph's: check dims and free dimensions"),
    (r"input tensor (?P<node>\S+) is missing dimensions|no optimization profile has been defined",
     "a free input has no shapes: give every free dimension a range"),
    (r"[Cc]ould not find any implementation for node (?P<node>.+?)(?:\.|\]|$)",
     "give the builder more workspace, or a higher builder level"),
    (r"OutOfMemory|out of memory|insufficient memory", "free this GPU's memory, or give the builder less workspace"),
)  # fmt: skip
_NO_GPU = re.compile(
    r"CUDA driver version is insufficient|no CUDA-capable device|CUDA initialization failure|cudaError(?:NoDevice)"
)


def parser_error(library: str, path: Path, complaints: Sequence[ParserComplaint]) -> KitError:
    """The error over everything that the ONNX parser of `library` (title and version) complains about."""
    told = [_tell(complaint) for complaint in complaints]
    count = len(complaints)
    subject = "the model" if not any(complaint.node for complaint in complaints) else f"{count} node"
    if subject != "the model" and count > 1:
        subject += "s"
    return GateError(
        f"{library} does not take {subject}",
        where=path,
        got="; ".join(dict.fromkeys(what for what, _ in told)) or "no reason given",
        hint="; ".join(dict.fromkeys(advice for _, advice in told)) or None,
    )


def _tell(complaint: ParserComplaint) -> tuple[str, str]:
    node = f"node {complaint.node} ({complaint.operator})" if complaint.node else complaint.operator or "the file"
    text = f"{complaint.code} {complaint.text}"
    for pattern, meaning, advice in _PARSER_ADVICE:
        if re.search(pattern, text):
            # An assertion that merely failed says nothing more than its code does.
            details = _first_line(complaint.text)
            return f"{node}: {meaning}" + ("" if details in {"", "false"} else f" ({details})"), advice
    return f"{node}: {complaint.code}: {_first_line(complaint.text)}", f"{_FALLBACK}, or export the graph otherwise"


def builder_error(library: str, path: Path, messages: Sequence[str], operators: Mapping[str, str]) -> KitError:
    """The error that the builder's error `messages`, oldest first, amount to.

    Args:
        library: title and version.
        path: the ONNX file.
        messages: what it logged as errors.
        operators: operator by node name.
    """
    what = f"{library} does not build an engine"
    for message in messages:
        for pattern, advice in _BUILDER_ADVICE:
            if match := re.search(pattern, message):
                node = match.groupdict().get("node")
                return GateError(what, where=path, got=_subject(node, operators) + _reason(message), hint=advice)
    if any(_NO_GPU.search(message) for message in messages):
        return UnavailableError(
            f"{what} without a GPU and its driver",
            where=path,
            got=_reason(messages[0]),
            hint="run it on a GPU node; TensorRT-RTX builds ahead of time without one",
        )
    return GateError(
        what,
        where=path,
        got=_reason(messages[0]) if messages else "no reason given",
        hint=f"{_FALLBACK}, or export the graph otherwise",
    )


def _subject(node: str | None, operators: Mapping[str, str]) -> str:
    if node is None:
        return ""
    operator = operators.get(node)
    return f"{node} ({operator}): " if operator else f"{node}: "


def _reason(message: str) -> str:
    """The message without where in TensorRT's own sources it was raised."""
    text = re.sub(r"^\S+: Error Code \d+: ", "", message)
    text = re.sub(r"\.? In \w+ at \S+?:\d+(?= |\)|$)", "", text)
    return re.sub(r"\[\w+\.cpp:\d+: \w+\] ", "", text).strip()


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0].removeprefix("Assertion failed: ")
    # `condition && "what it means"`: the parser's own assertions.
    said = re.search(r'&& "(?P<said>.+)"', line)
    return said["said"] if said else line
