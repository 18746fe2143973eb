"""The same photographs as JPEG bytes, as float tensors in the message, and as float tensors in shared memory.

    python benchmarks/comparisons/payload_forms.py REPOSITORY PICTURE...

REPOSITORY is what `tritonkit build` or `tritonkit publish` wrote. Bytes go to the ensemble, which decodes them on the
server; tensors go to its network's part, decoded beforehand by whoever sends them, at no cost that is counted here.
Shared memory is the system's, filled once: a request names the region and carries nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tritonclient.grpc import InferenceServerClient
from tritonclient.grpc.service_pb2 import ModelInferRequest
from tritonclient.utils import shared_memory

from benchmarks.comparisons.alternating import Load, Side, compare_served
from benchmarks.payloads import EncodedRequest, encode, make_requests
from benchmarks.plan import LoadPlan
from benchmarks.served_model import read_served_model
from clients import Client
from tritonkit.repository.config import read_config
from tritonkit.server import ServerOptions, TritonServer
from tritonkit.server.options import ADMINISTRATIVE_APIS

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION = "payload_forms"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", type=Path, help="the model repository")
    parser.add_argument("pictures", nargs="+", type=Path, help="photographs, used in turn")
    parser.add_argument("--model", default="efficientnet_lite0", help="the ensemble (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of a round (default: %(default)s)")
    parser.add_argument("--concurrency", type=int, default=8, help="requests in flight (default: %(default)s)")
    args = parser.parse_args()
    scheduling = read_config(args.repository / args.model / "config.pbtxt").ensemble_scheduling
    first, network = (step.model_name for step in scheduling.step[:2])
    apis = tuple(api for api in ADMINISTRATIVE_APIS if api != "shared-memory")
    with TritonServer(ServerOptions(args.repository, models=(args.model,), restricted_apis=apis)) as server:
        pictures = make_requests(_served(server, args.model), files=args.pictures)
        tensors = _decoded(server, first, args.pictures)
        floats = tuple(encode(network, tensor) for tensor in tensors)
        with _shared(server, network, tensors) as shared:
            sides = [
                Side(
                    name=name,
                    server=server,
                    load=Load(url=url, model=model, requests=requests, concurrency=args.concurrency),
                )
                for name, url, model, requests in (
                    ("picture bytes, gRPC", server.grpc_url, args.model, pictures),
                    ("picture bytes, HTTP", server.http_url, args.model, pictures),
                    ("float tensor, gRPC", server.grpc_url, network, floats),
                    ("float tensor, HTTP", server.http_url, network, floats),
                    ("shared memory, gRPC", server.grpc_url, network, shared),
                )
            ]
            for side in sides:
                sent = [len(request.grpc if "gRPC" in side.name else request.http) for request in side.load.requests]
                print(f"{side.name}: {sum(sent) / len(sent):,.0f} bytes a request")
            compare_served(sides, seconds=args.seconds)


def _served(server: TritonServer, model: str) -> Any:
    return read_served_model(LoadPlan(model=model, grpc_url=server.grpc_url))


def _decoded(server: TritonServer, step: str, pictures: list[Path]) -> list[dict[str, Any]]:
    """What the preprocessing step makes of each picture: the network's input."""
    with Client(server.grpc_url) as client:
        (tensor,) = client.metadata(step).inputs
        return [
            dict(client.infer(step, {tensor.name: np.array([[picture.read_bytes()]], dtype=object)}))
            for picture in pictures
        ]


@contextlib.contextmanager
def _shared(server: TritonServer, network: str, tensors: list[dict[str, Any]]) -> Iterator[tuple[EncodedRequest, ...]]:
    """Requests that name a part of a region, which holds one tensor behind the other."""
    ((name, first),) = tensors[0].items()
    size = first.nbytes
    region = shared_memory.create_shared_memory_region(REGION, f"/{REGION}-{os.getpid()}", size * len(tensors))
    try:
        shared_memory.set_shared_memory_region(region, [tensor[name] for tensor in tensors])
        with InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:
            client.register_system_shared_memory(REGION, f"/{REGION}-{os.getpid()}", size * len(tensors))
            # Not unregistered: the server, which is this script's own, may hold the last answer's region for a moment yet.
            yield tuple(
                _naming(network, name, first.shape, offset=number * size, size=size) for number in range(len(tensors))
            )
    finally:
        shared_memory.destroy_shared_memory_region(region)


def _naming(network: str, name: str, shape: tuple[int, ...], *, offset: int, size: int) -> EncodedRequest:
    message = ModelInferRequest(model_name=network)
    tensor = message.inputs.add(name=name, datatype="FP32", shape=shape)
    tensor.parameters["shared_memory_region"].string_param = REGION
    tensor.parameters["shared_memory_offset"].int64_param = offset
    tensor.parameters["shared_memory_byte_size"].int64_param = size
    return EncodedRequest(model=network, grpc=message.SerializeToString(), http=b"", http_header_length=0)


if __name__ == "__main__":
    main()
