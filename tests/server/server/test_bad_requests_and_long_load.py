"""A thousand malformed requests, a long mixed load, a full disk: afterwards the server is healthy, or says why not."""

from __future__ import annotations

import contextlib
import json
import os
import random
import threading
import time

import grpc as grpc_core
import numpy as np
import psutil
import pytest
import tritonclient.grpc as grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from tests.cases.onnxruntime_models import CASES, LINEAR, Case, write_case
from tritonkit.server import ServerOptions, TritonServer
from tritonkit.server.process import SHARED_MEMORY
from tritonkit.server.readiness import ask
from tritonkit.server.watchdog import running_stubs
from tritonkit.spec.errors import UnavailableError

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("bad_requests_and_long_load")]

IDENTITY = """import triton_python_backend_utils as pb
class TritonPythonModel:
    def execute(self, requests):
        return [pb.InferenceResponse([pb.Tensor("y", r.inputs()[0].as_numpy()[:, :3])]) for r in requests]
"""


@pytest.fixture(scope="module")
def server(start_server, tmp_path_factory) -> TritonServer:
    repository = tmp_path_factory.mktemp("load")
    write_case(Case(name="good", rule="loads", loads=True, config=LINEAR + "dynamic_batching {}\n"), repository)
    for name in ("type_string", "type_fp16"):
        write_case(next(case for case in CASES if case.name == name), repository)
    (repository / "python" / "1").mkdir(parents=True)
    (repository / "python" / "1" / "model.py").write_text(IDENTITY)
    (repository / "python" / "config.pbtxt").write_text(LINEAR.replace("onnxruntime", "python"))
    return start_server(ServerOptions(repository, ("*",)))


def _port(server: TritonServer) -> int:
    return int(server.http_url.rpartition(":")[2])


def _good_answer(server: TritonServer) -> bool:
    body = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 1, 1, 1]}]}
    return ask("127.0.0.1", _port(server), "/v2/models/good/infer", method="POST", body=body, timeout=120).ok


def _malformed(generator: random.Random) -> tuple[str, object]:
    """A path and a body that are wrong in one to three ways.

    Deep nesting, huge shapes and sizes that lie by gigabytes are left out: they crash servers before 25.05.
    """
    tensor: dict = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1.0, 2.0, 3.0, 4.0]}
    body: dict = {"inputs": [tensor]}
    path = "/v2/models/good/infer"
    for _ in range(generator.randint(1, 3)):
        wrong = generator.randrange(12)
        if wrong == 0:
            tensor["shape"] = generator.choice(
                [[1, 5], [4], [], [0, 4], [9, 4], [-1, 4], [1, 2, 2], "x", None, [1.5, 4]]
            )
        elif wrong == 1:
            tensor["datatype"] = generator.choice(["FP64", "INT8", "BYTES", "BF16", "", "float", 7, None])
        elif wrong == 2:
            tensor["data"] = generator.choice(
                [[], [1, 2, 3], ["a"] * 4, [None] * 4, {}, "text", [[1, 2], [3, 4]], [1] * 99]
            )
        elif wrong == 3:
            tensor["name"] = generator.choice(["", "xx", "y", 5, None, "x" * 500, "../x"])
        elif wrong == 4:
            body["outputs"] = generator.choice([[{"name": "nope"}], [{}], {}, "y", [{"name": "y"}, {"name": "y"}]])
        elif wrong == 5:
            body["inputs"] = generator.choice([[], {}, [tensor, tensor], [None], "inputs", [[tensor]]])
        elif wrong == 6:
            tensor["parameters"] = generator.choice([{"binary_data_size": 16}, {"binary_data_size": -1}, [], "p"])
        elif wrong == 7:
            body["parameters"] = generator.choice([{"sequence_id": "s"}, {"priority": -1}, {"timeout": "soon"}, 3])
        elif wrong == 8:
            body["id"] = generator.choice([7, None, {}, "i" * 1000])
        elif wrong == 9:
            path = generator.choice(
                ["/v2/models//infer", "/v2/models/absent/infer", "/v2/models/good/versions/9/infer"]
            )
        elif wrong == 10:
            return path, generator.choice(["", "text", 5, None, [], True])
        else:
            tensor.pop(generator.choice(list(tensor)), None)
    return path, body


def test_a_thousand_malformed_requests_over_http(server) -> None:
    generator = random.Random(20)
    stubs, pid = set(running_stubs(server.pid)), server.pid
    for _ in range(1000):
        path, body = _malformed(generator)
        reply = ask("127.0.0.1", _port(server), path, method="POST", body=body, timeout=120)
        assert reply.status != 0, f"no answer to {json.dumps(body)[:300]}: {reply.error}"
    assert server.pid == pid
    assert set(running_stubs(pid)) == stubs, "no model's process died of them"
    assert server.is_ready()
    assert _good_answer(server)


def test_a_thousand_malformed_requests_over_grpc(server) -> None:
    generator = random.Random(21)
    stubs, pid = set(running_stubs(server.pid)), server.pid
    with grpc_core.insecure_channel(server.grpc_url.removeprefix("grpc://")) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        codes = set()
        for _ in range(1000):
            request = service_pb2.ModelInferRequest(
                model_name=generator.choice(["good", "good", "type_string", "", "no"])
            )
            for _ in range(generator.randint(0, 2)):
                tensor = request.inputs.add(name=generator.choice(["x", "y", ""]), datatype="FP32", shape=[1, 4])
                tensor.datatype = generator.choice(["FP32", "FP64", "BYTES", "BF16", "?", ""])
                tensor.shape[:] = generator.choice([[1, 4], [1, 5], [], [0, 4], [-1, 4], [9, 4]])
                if generator.random() < 0.3:
                    tensor.contents.fp32_contents.extend([1.0] * generator.randint(0, 5))
            request.raw_input_contents.extend(generator.randbytes(generator.choice([0, 3, 16])) for _ in range(2))
            try:
                stub.ModelInfer(request, timeout=120)
            except grpc_core.RpcError as error:
                codes.add(error.code())
    assert grpc_core.StatusCode.DEADLINE_EXCEEDED not in codes
    assert grpc_core.StatusCode.UNAVAILABLE not in codes
    assert set(running_stubs(pid)) == stubs
    assert server.is_ready()
    assert _good_answer(server)


def _resources(server: TritonServer) -> dict[str, float]:
    processes = [psutil.Process(pid) for pid in (server.pid, *running_stubs(server.pid))]
    regions = SHARED_MEMORY.glob(f"tritonkit-{os.getpid()}-*")
    return {
        "MB of memory": sum(process.memory_info().rss for process in processes) / 1e6,
        "file handles": sum(process.num_fds() for process in processes),
        "MB of shared memory": sum(region.stat().st_size for region in regions) / 1e6,
        "processes": len(processes),
    }


def _soak(server: TritonServer, seconds: float) -> None:
    """Mixed load on four models; what the server holds after a third of the time it holds at the end."""
    failures: list[str] = []
    done = threading.Event()

    def load(model: str, array: np.ndarray, data_type: str) -> None:
        with grpc.InferenceServerClient(server.grpc_url.removeprefix("grpc://")) as client:
            tensor = grpc.InferInput("x", list(array.shape), data_type)
            tensor.set_data_from_numpy(array)
            while not done.is_set():
                try:
                    client.infer(model, [tensor], client_timeout=120)
                except InferenceServerException as error:
                    failures.append(f"{model}: {error}")
                    return

    rows = np.ones((2, 4), dtype=np.float32)
    loads = [("good", rows, "FP32"), ("python", rows, "FP32"), ("type_fp16", rows.astype(np.float16), "FP16")]
    loads.append(("type_string", np.array([["a", "bb", "ccc", "ä" * 50]], dtype=np.object_), "BYTES"))
    threads = [threading.Thread(target=load, args=arguments) for arguments in loads]
    for thread in threads:
        thread.start()
    time.sleep(seconds / 3)
    early = _resources(server)
    time.sleep(seconds * 2 / 3)
    late = _resources(server)
    done.set()
    for thread in threads:
        thread.join(240)
    assert not failures
    assert late["processes"] == early["processes"]
    assert late["MB of memory"] < early["MB of memory"] * 1.05 + 5, (early, late)
    assert late["file handles"] <= early["file handles"] + 8, (early, late)
    assert late["MB of shared memory"] <= early["MB of shared memory"] + 1, (early, late)


def test_a_minute_of_mixed_load_grows_nothing(server) -> None:
    _soak(server, 60)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_long_mixed_load_grows_nothing(server) -> None:
    """Five minutes; `TRITONKIT_SOAK_SECONDS=3600` makes it an hour."""
    _soak(server, float(os.environ.get("TRITONKIT_SOAK_SECONDS", "300")))


def test_a_full_disk_is_named(mount_disk, start_for_test, tmp_path) -> None:
    log = mount_disk("size=128k") / "server.log"
    write_case(Case(name="good", rule="loads", loads=True, config=LINEAR), tmp_path / "repository")
    with pytest.raises(UnavailableError, match="the disk for the server's log is full"):
        start_for_test(ServerOptions(tmp_path / "repository", log_path=log))


def test_a_disk_that_fills_up_under_a_server_stops_no_answer_and_no_load(mount_disk, start_for_test, tmp_path) -> None:
    """It cannot be started again, which is said before it is stopped."""
    disk = mount_disk("size=4m")
    write_case(Case(name="good", rule="loads", loads=True, config=LINEAR), tmp_path / "repository")
    options = ServerOptions(tmp_path / "repository", ("good",), log_path=disk / "server.log")
    server = start_for_test(options)
    with contextlib.suppress(OSError), (disk / "filling").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    assert _good_answer(server)
    write_case(Case(name="second", rule="loads", loads=True, config=LINEAR), tmp_path / "repository")
    server.load("second")
    assert server.model_is_ready("second")
    with pytest.raises(UnavailableError, match="the disk for the server's log is full"):
        server.restart()
    assert server.is_ready()
    assert _good_answer(server)
    (disk / "filling").unlink()
    server.restart()
    assert _good_answer(server)
