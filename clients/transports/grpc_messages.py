"""The client's messages <-> Triton's protobuf messages, which are tritonclient's. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableSequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message as ProtobufMessage
from tritonclient.grpc import service_pb2 as pb

from ..messages import (
    NO_PARAMETERS,
    Action,
    Code,
    ControlReply,
    ControlRequest,
    Fault,
    InferReply,
    InferRequest,
    Parameter,
    Region,
    Tensor,
)


def infer_message(request: InferRequest, timeout: float) -> Any:
    """The `ModelInferRequest` of `request`; `timeout`, in seconds, bounds its time in the server's queue."""
    message = pb.ModelInferRequest(model_name=request.model, model_version=request.version, id=request.request_id)
    contents = message.raw_input_contents
    for tensor in request.inputs:
        field = message.inputs.add()
        field.name = tensor.name
        field.datatype = tensor.datatype
        field.shape.extend(tensor.shape)
        if isinstance(tensor.content, Region):
            _place(field, tensor.content)
        else:
            contents.append(bytes(tensor.content))
    for output in request.outputs:
        wanted = message.outputs.add()
        wanted.name = output.name
        if output.classes:
            wanted.parameters["classification"].int64_param = output.classes
        if output.region is not None:
            _place(wanted, output.region)
    for name, value in request.parameters.items():
        _set_parameter(message.parameters[name], name, value)
    message.parameters["timeout"].int64_param = int(timeout * 1e6)
    return message


def _place(field: Any, region: Region) -> None:
    field.parameters["shared_memory_region"].string_param = region.name
    field.parameters["shared_memory_byte_size"].int64_param = region.byte_size
    field.parameters["shared_memory_offset"].int64_param = region.offset


def _set_parameter(parameter: Any, name: str, value: Parameter) -> None:
    if isinstance(value, str):
        parameter.string_param = value
    elif isinstance(value, bool):
        parameter.bool_param = value
    elif isinstance(value, float):
        parameter.double_param = value
    elif name == "priority" or value >= 2**63:
        parameter.uint64_param = value
    else:
        parameter.int64_param = value


def infer_reply(message: Any) -> InferReply:
    """The reply that a `ModelInferResponse` holds.

    Raises:
        Fault: an output came without its bytes.
    """
    fields, contents = message.outputs, message.raw_output_contents
    # An output in shared memory has an empty entry among the contents.
    if len(contents) != len(fields):
        raise Fault(Code.MALFORMED, f"{len(fields)} outputs came with the bytes of {len(contents)}")
    outputs: list[Tensor] = []
    # By index: protobuf's iterators cost more than what they save here.
    for index in range(len(fields)):
        field = fields[index]
        outputs.append(Tensor(field.name, field.datatype, tuple(field.shape[:]), contents[index]))
    parameters = message.parameters
    return InferReply(
        message.model_name,
        message.model_version,
        message.id,
        tuple(outputs),
        {name: _parameter(value) for name, value in parameters.items()} if parameters else NO_PARAMETERS,
    )


def _parameter(parameter: Any) -> Any:
    kind = parameter.WhichOneof("parameter_choice")
    return "" if kind is None else getattr(parameter, kind)


def stream_message(request: InferRequest, timeout: float) -> Any:
    """`infer_message` for a decoupled model; Triton is to mark the end even where it comes without outputs."""
    message = infer_message(request, timeout)
    message.parameters["triton_enable_empty_final_response"].bool_param = True
    return message


def stream_reply(response: Any) -> InferReply | None:
    """The reply in a stream's message, None if it only marks the end.

    Raises:
        Fault: the message is an error.
    """
    if response.error_message:
        # A stream's errors carry no code; Triton's texts are the same as elsewhere.
        raise Fault(Code.INTERNAL, response.error_message)
    message = response.infer_response
    return infer_reply(message) if message.outputs else None


@dataclass(frozen=True, slots=True)
class Rpc:
    """An action's RPC: the stub's method, and what makes its message."""

    method: str
    message: Callable[[ControlRequest], Any]


def _of_model(message: Any) -> Callable[[ControlRequest], Any]:
    return lambda request: message(name=request.model, version=request.version)


def _of_body(message: Any) -> Callable[[ControlRequest], Any]:
    return lambda request: message(**request.body)


def _load_message(request: ControlRequest) -> Any:
    message = pb.RepositoryModelLoadRequest(model_name=request.model)
    if "config" in request.body:
        message.parameters["config"].string_param = request.body["config"]
    return message


def _unload_message(request: ControlRequest) -> Any:
    message = pb.RepositoryModelUnloadRequest(model_name=request.model)
    message.parameters["unload_dependents"].bool_param = bool(request.body.get("unload_dependents"))
    return message


RPCS: dict[Action, Rpc] = {
    Action.LIVE: Rpc("ServerLive", lambda _: pb.ServerLiveRequest()),
    Action.READY: Rpc("ServerReady", lambda _: pb.ServerReadyRequest()),
    Action.MODEL_READY: Rpc("ModelReady", _of_model(pb.ModelReadyRequest)),
    Action.SERVER_METADATA: Rpc("ServerMetadata", lambda _: pb.ServerMetadataRequest()),
    Action.MODEL_METADATA: Rpc("ModelMetadata", _of_model(pb.ModelMetadataRequest)),
    Action.MODEL_CONFIG: Rpc("ModelConfig", _of_model(pb.ModelConfigRequest)),
    Action.MODEL_STATISTICS: Rpc("ModelStatistics", _of_model(pb.ModelStatisticsRequest)),
    Action.REPOSITORY_INDEX: Rpc("RepositoryIndex", lambda _: pb.RepositoryIndexRequest()),
    Action.LOAD: Rpc("RepositoryModelLoad", _load_message),
    Action.UNLOAD: Rpc("RepositoryModelUnload", _unload_message),
    Action.REGISTER_SYSTEM_REGION: Rpc("SystemSharedMemoryRegister", _of_body(pb.SystemSharedMemoryRegisterRequest)),
    Action.REGISTER_CUDA_REGION: Rpc("CudaSharedMemoryRegister", _of_body(pb.CudaSharedMemoryRegisterRequest)),
    Action.UNREGISTER_SYSTEM_REGION: Rpc(
        "SystemSharedMemoryUnregister", _of_body(pb.SystemSharedMemoryUnregisterRequest)
    ),
    Action.UNREGISTER_CUDA_REGION: Rpc("CudaSharedMemoryUnregister", _of_body(pb.CudaSharedMemoryUnregisterRequest)),
}


def control_reply(request: ControlRequest, message: Any) -> ControlReply:
    """The reply as the JSON object of Triton's HTTP API."""
    match request.action:
        case Action.LIVE:
            return {"ready": message.live}
        case Action.READY | Action.MODEL_READY:
            return {"ready": message.ready}
        case Action.MODEL_CONFIG:
            config: ControlReply = _plain(message.config)
            return config
        case _:
            reply: ControlReply = _plain(message)
            return reply


def _plain(value: Any) -> Any:
    """A protobuf value as JSON has it, 64-bit integers as numbers; absent messages are left out."""
    if isinstance(value, ProtobufMessage):
        return {
            field.name: _field(field, getattr(value, field.name))
            for field in value.DESCRIPTOR.fields
            if not _is_absent(value, field)
        }
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, MutableSequence):
        return [_plain(item) for item in value]
    return value


def _is_absent(message: ProtobufMessage, field: Any) -> bool:
    held = getattr(message, field.name)
    return isinstance(held, ProtobufMessage) and not message.HasField(field.name)


def _field(field: Any, value: Any) -> Any:
    if field.enum_type is None:
        return _plain(value)
    names = field.enum_type.values_by_number
    if isinstance(value, int):
        return names[value].name
    return [names[number].name for number in value]
