"""The client's messages <-> the paths, headers and bodies of Triton's HTTP API. No I/O.

Tensors travel as bytes behind the JSON part of a body (docs/protocol/extension_binary_data.md of
triton-inference-server/server), never as JSON numbers.
"""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..messages import (
    Action,
    Code,
    ControlReply,
    ControlRequest,
    Exchange,
    Fault,
    Headers,
    InferReply,
    InferRequest,
    Message,
    Parameter,
    Region,
    RequestedOutput,
    Tensor,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..codec import Content
    from ..options import Compression

_JSON_LENGTH = "inference-header-content-length"

# Made once: `json.dumps` with these options makes one for each call.
_JSON = json.JSONEncoder(separators=(",", ":"), allow_nan=False)

_COMPRESS: dict[Compression, Callable[[bytes], bytes]] = {
    # The fastest level: what is gained beyond it is not worth the time it takes.
    "gzip": lambda body: gzip.compress(body, 1),
    "deflate": lambda body: zlib.compress(body, 1),
}


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request, its body in parts so that a large tensor need not be copied."""

    method: str
    path: str
    headers: Headers
    body: tuple[Content, ...]

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return sum(map(len, self.body))


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def http_request(prefix: str, message: Message, exchange: Exchange) -> HttpRequest:
    """The request that `message` becomes, under the path `prefix` of the server's address."""
    if isinstance(message, ControlRequest):
        method, path, body = _control(message)
        return HttpRequest(method, prefix + path, exchange.headers, body)
    path = f"{prefix}{_model_path(message)}/infer"
    head = _JSON.encode(_infer_document(message, exchange.timeout)).encode()
    body = (head, *(tensor.content for tensor in message.inputs if not isinstance(tensor.content, Region)))
    headers = Headers(((_JSON_LENGTH, str(len(head))), *exchange.headers))
    if exchange.compression is not None:
        body = (_COMPRESS[exchange.compression](b"".join(body)),)
        headers = Headers(
            (
                ("content-encoding", exchange.compression),
                ("accept-encoding", exchange.compression),
                *headers,
            )
        )
    return HttpRequest("POST", path, headers, body)


def _infer_document(request: InferRequest, timeout: float) -> dict[str, Any]:
    parameters: dict[str, Parameter] = {**request.parameters, "timeout": int(timeout * 1e6)}
    document: dict[str, Any] = {"inputs": [_input(tensor) for tensor in request.inputs], "parameters": parameters}
    if request.request_id:
        document["id"] = request.request_id
    if request.outputs:
        document["outputs"] = [_output(output) for output in request.outputs]
    else:
        parameters["binary_data_output"] = True
    return document


def _input(tensor: Tensor) -> dict[str, Any]:
    content = tensor.content
    parameters = _place(content) if isinstance(content, Region) else {"binary_data_size": len(content)}
    return {"name": tensor.name, "shape": tensor.shape, "datatype": tensor.datatype, "parameters": parameters}


def _output(output: RequestedOutput) -> dict[str, Any]:
    parameters: dict[str, Any] = {"binary_data": True} if output.region is None else _place(output.region)
    if output.classes:
        parameters["classification"] = output.classes
    return {"name": output.name, "parameters": parameters}


def _place(region: Region) -> dict[str, Any]:
    return {
        "shared_memory_region": region.name,
        "shared_memory_byte_size": region.byte_size,
        "shared_memory_offset": region.offset,
    }


def _model_path(message: Message) -> str:
    path = f"/v2/models/{quote(message.model, safe='')}"
    return f"{path}/versions/{quote(message.version, safe='')}" if message.version else path


def _control(request: ControlRequest) -> tuple[str, str, tuple[Content, ...]]:
    """Method, path and body of a control request."""
    model = _model_path(request)
    repository = f"/v2/repository/models/{quote(request.model, safe='')}"
    region = quote(str(request.body.get("name", "")), safe="")
    get: dict[Action, str] = {
        Action.LIVE: "/v2/health/live",
        Action.READY: "/v2/health/ready",
        Action.MODEL_READY: f"{model}/ready",
        Action.SERVER_METADATA: "/v2",
        Action.MODEL_METADATA: model,
        Action.MODEL_CONFIG: f"{model}/config",
        Action.MODEL_STATISTICS: f"{model}/stats" if request.model else "/v2/models/stats",
    }
    if request.action in get:
        return "GET", get[request.action], ()
    post: dict[Action, tuple[str, Mapping[str, Any]]] = {
        Action.REPOSITORY_INDEX: ("/v2/repository/index", {}),
        Action.LOAD: (f"{repository}/load", {"parameters": request.body} if request.body else {}),
        Action.UNLOAD: (f"{repository}/unload", {"parameters": request.body}),
        Action.REGISTER_SYSTEM_REGION: (f"/v2/systemsharedmemory/region/{region}/register", _region_body(request)),
        Action.REGISTER_CUDA_REGION: (f"/v2/cudasharedmemory/region/{region}/register", _region_body(request)),
        Action.UNREGISTER_SYSTEM_REGION: (f"/v2/systemsharedmemory/region/{region}/unregister", {}),
        Action.UNREGISTER_CUDA_REGION: (f"/v2/cudasharedmemory/region/{region}/unregister", {}),
    }
    path, document = post[request.action]
    return "POST", path, (json.dumps(document).encode(),)


def _region_body(request: ControlRequest) -> Mapping[str, Any]:
    document = {name: value for name, value in request.body.items() if name != "name"}
    if "raw_handle" in document:
        # Over gRPC the handle is bytes; over HTTP their base64, as the CUDA library gives it.
        import base64  # noqa: PLC0415 - only CUDA regions have a handle

        document["raw_handle"] = {"b64": base64.b64encode(document["raw_handle"]).decode()}
    return document


# The actions that are answered by an object, each with a key that it always has.
_NAMED_BY: dict[Action, str] = {
    Action.SERVER_METADATA: "name",
    Action.MODEL_METADATA: "name",
    Action.MODEL_CONFIG: "name",
    Action.MODEL_STATISTICS: "model_stats",
}


def http_reply(message: Message, response: HttpResponse) -> InferReply | ControlReply:
    """The reply that a response holds.

    Raises:
        Fault: the server refused, or the response cannot be read.
    """
    if isinstance(message, ControlRequest) and message.action in (Action.LIVE, Action.READY, Action.MODEL_READY):
        return _readiness(response)
    if response.status != 200:
        raise _refusal(response)
    if isinstance(message, InferRequest):
        return _infer_reply(response)
    if message.action is Action.REPOSITORY_INDEX:
        return {"models": _document(response.body)}
    if message.action not in _NAMED_BY:
        return {}
    document = _object(_document(response.body))
    if _NAMED_BY[message.action] not in document:
        raise Fault(Code.MALFORMED, f"the answer is not Triton's: {response.body[:80]!r}")
    return document


def _readiness(response: HttpResponse) -> ControlReply:
    if response.status in (401, 403, 429) or (response.status == 404 and not response.body):
        raise _refusal(response)
    # 400 is "not ready", or a model that is not there; 503 "exiting".
    return {"ready": response.status == 200}


_CODES: dict[int, Code] = {
    400: Code.INVALID_ARGUMENT,
    401: Code.PERMISSION_DENIED,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    408: Code.DEADLINE,
    409: Code.ALREADY_EXISTS,
    413: Code.INVALID_ARGUMENT,
    415: Code.INVALID_ARGUMENT,
    429: Code.RESOURCE_EXHAUSTED,
    500: Code.INTERNAL,
    501: Code.UNIMPLEMENTED,
    502: Code.CONNECTION_LOST,
    503: Code.UNAVAILABLE,
    504: Code.DEADLINE,
}


def _refusal(response: HttpResponse) -> Fault:
    try:
        document = json.loads(_plain_body(response))
    except (ValueError, Fault):
        document = None
    words = document.get("error") if isinstance(document, dict) else None
    if response.status == 404 and not isinstance(words, str):
        return Fault(Code.MALFORMED, "HTTP 404, not in Triton's words")
    code = _CODES.get(response.status, Code.MALFORMED)
    return Fault(code, words if isinstance(words, str) else f"HTTP {response.status}")


def _infer_reply(response: HttpResponse) -> InferReply:
    body = _plain_body(response)
    try:
        length = int(response.headers.get(_JSON_LENGTH, len(body)))
        document = _object(_document(body[:length]))
        view = memoryview(body)
        outputs: list[Tensor] = []
        for output in document.get("outputs", ()):
            # An output in shared memory has no bytes here.
            end = length + int(output.get("parameters", {}).get("binary_data_size", 0))
            content = view[length:end]
            length = end
            outputs.append(Tensor(output["name"], output["datatype"], tuple(output["shape"]), content))
        return InferReply(
            model=document["model_name"],
            version=document["model_version"],
            request_id=document.get("id", ""),
            outputs=tuple(outputs),
            parameters=document.get("parameters", {}),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Fault(Code.MALFORMED, f"the answer is not in Triton's format: {error!r}") from None


def _plain_body(response: HttpResponse) -> bytes:
    try:
        match response.headers.get("content-encoding"):
            case None | "identity":
                return response.body
            case "gzip":
                return gzip.decompress(response.body)
            case "deflate":
                return zlib.decompress(response.body)
            case encoding:
                raise Fault(Code.MALFORMED, f"unknown content encoding {encoding!r}")
    except (OSError, EOFError, zlib.error) as error:
        raise Fault(Code.MALFORMED, f"the compressed answer cannot be read: {error}") from None


def _document(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise Fault(Code.MALFORMED, f"the answer is no JSON: {body[:80]!r}") from None


def _object(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise Fault(Code.MALFORMED, f"the answer is no JSON object: {str(document)[:80]}")
    return document
