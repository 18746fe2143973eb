"""Models, servers and a faulty network for the client's tests."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

import pytest

from clients import AsyncClient, Client
from tritonkit.server import ServerOptions, TritonServer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any, Self

    from clients import Answer, Counts

NUMBERS = ["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64"]

HEAD = "import numpy as np\nimport triton_python_backend_utils as pb\n\n\nclass TritonPythonModel:\n"


def _execute(body: str) -> str:
    """A model whose `execute` runs `body` for each request; `x` is the input of that name, `y` the output."""
    return (
        "import os\nimport time\n"
        + HEAD
        + "    def execute(self, requests):\n        return [self.one(request) for request in requests]\n\n"
        + "    def one(self, request):\n        x = pb.get_input_tensor_by_name(request, 'x').as_numpy()\n"
        + "".join(f"        {line}\n" for line in body.splitlines())
        + "        return pb.InferenceResponse([pb.Tensor('y', y)])\n"
    )


IDENTITY = (
    HEAD
    + "    def execute(self, requests):\n"
    + "        return [\n            pb.InferenceResponse(\n"
    + "                [pb.Tensor('out_' + t.name(), t.as_numpy()) for t in request.inputs()]\n"
    + "            )\n            for request in requests\n        ]\n"
)

# So many answers take hours, unless the server hears that nobody waits for them.
ENDLESS = 1_000_000

DECOUPLED = (
    f"import time\n\nENDLESS = {ENDLESS}\n"
    + HEAD
    + """    def execute(self, requests):
        for request in requests:
            count = int(pb.get_input_tensor_by_name(request, "x").as_numpy()[0])
            sender = request.get_response_sender()
            for number in range(abs(count)):
                if sender.is_cancelled():
                    break
                if count >= ENDLESS:
                    time.sleep(0.01)
                sender.send(pb.InferenceResponse([pb.Tensor("y", np.array([number], np.float32))]))
            error = None if count >= 0 else pb.TritonError("the model is ill")
            if error is not None:
                sender.send(pb.InferenceResponse([], error=error))
            sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
)

SEQUENCE = (
    HEAD
    + """    def initialize(self, args):
        self.sums = {}

    def execute(self, requests):
        return [self.one(request) for request in requests]

    def one(self, request):
        get = lambda name: pb.get_input_tensor_by_name(request, name).as_numpy().reshape(-1)[0]
        key = get("id")
        self.sums[key] = get("x") + (0 if get("start") else self.sums[key])
        return pb.InferenceResponse([pb.Tensor("y", np.array([[self.sums[key]]], np.float32))])
"""
)

CLASSIFY = (
    HEAD
    + """    def execute(self, requests):
        return [self.one(request) for request in requests]

    def one(self, request):
        pictures = [bytes(row[0]) for row in pb.get_input_tensor_by_name(request, "image").as_numpy()]
        if any(not picture.startswith(b"cat") for picture in pictures):
            return pb.InferenceResponse([], error=pb.TritonError("this is no picture", pb.TritonError.INVALID_ARG))
        label = np.array([["cat", "dog"] for _ in pictures], np.object_)
        score = np.array([[0.75, 0.25] for _ in pictures], np.float32)
        index = np.array([[281, 1] for _ in pictures], np.int32)
        outputs = {"label": label, "score": score, "class_id": index}
        return pb.InferenceResponse([pb.Tensor(name, array) for name, array in outputs.items()])
"""
)


def _tensor(kind: str, name: str, data_type: str, dims: str, extra: str = "") -> str:
    return f'{kind} [{{ name: "{name}" data_type: TYPE_{data_type} dims: {dims} {extra} }}]\n'


def _floats(batch: int, dims: str) -> str:
    return f"max_batch_size: {batch}\n" + _tensor("input", "x", "FP32", dims) + _tensor("output", "y", "FP32", dims)


_TYPES = [*NUMBERS, "STRING"]
_SEQUENCE_CONFIG = """sequence_batching {
  max_sequence_idle_microseconds: 30000000
  control_input [
    { name: "start" control [{ kind: CONTROL_SEQUENCE_START int32_false_true: [0, 1] }] },
    { name: "id" control [{ kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 }] }
  ]
}
"""
_QUEUE_OF_FOUR = """dynamic_batching {
  priority_levels: 2
  default_priority_level: 2
  default_queue_policy { max_queue_size: 4 }
}
"""

# Each type in each rank, as an input of the identity model.
RANKS = {
    f"{data_type}_{rank}": (data_type, f"[{', '.join(['-1'] * rank)}]") for data_type in _TYPES for rank in (1, 2, 3, 4)
}

# The configuration and the code of each.
MODELS: dict[str, tuple[str, str]] = {
    "identity": (
        "max_batch_size: 0\n"
        + "".join(_tensor("input", name, *tensor, "optional: true") for name, tensor in RANKS.items())
        + "".join(_tensor("output", f"out_{name}", *tensor) for name, tensor in RANKS.items()),
        IDENTITY,
    ),
    "echo": (_floats(8, "[4]"), _execute("y = x")),
    "wide": (_floats(0, "[-1]"), _execute("y = x")),
    # Only the batcher's queue knows of cancellation; without one, a request waits where it is not looked at again.
    "sleep": (_floats(1, "[1]") + "dynamic_batching { }\n", _execute("time.sleep(float(x[0, 0]))\ny = x")),
    "queued": (_floats(1, "[1]") + _QUEUE_OF_FOUR, _execute("time.sleep(float(x[0, 0]))\ny = x")),
    "grow": (
        "max_batch_size: 0\n" + _tensor("input", "x", "FP32", "[1]") + _tensor("output", "y", "FP32", "[-1]"),
        _execute("y = np.ones(int(x[0]), np.float32)"),
    ),
    "ill": (_floats(0, "[1]"), _execute("raise ValueError('the model is ill')\ny = x")),
    "mortal": (_floats(0, "[1]"), _execute("y = x if x[0] >= 0 else os.kill(os.getpid(), 9)")),
    "labelled": (
        _floats(2, "[3]").replace('name: "y"', 'name: "y" label_filename: "labels.txt"'),
        _execute("y = x"),
    ),
    "decoupled": (_floats(0, "[1]") + "model_transaction_policy { decoupled: true }\n", DECOUPLED),
    "sums": (_floats(1, "[1]") + _SEQUENCE_CONFIG, SEQUENCE),
    "pictures": (
        "max_batch_size: 8\n"
        + _tensor("input", "image", "STRING", "[1]")
        + _tensor("output", "label", "STRING", "[2]")
        + _tensor("output", "score", "FP32", "[2]")
        + _tensor("output", "class_id", "INT32", "[2]"),
        CLASSIFY,
    ),
}


def write_models(folder: Path, *names: str) -> Path:
    """A repository with these models of `MODELS`, each on one CPU instance."""
    for name in names:
        config, code = MODELS[name]
        version = folder / name / "1"
        version.mkdir(parents=True)
        (version / "model.py").write_text(code)
        kind = 'backend: "python"\ninstance_group [{ kind: KIND_CPU count: 1 }]\n'
        (folder / name / "config.pbtxt").write_text(kind + config)
        (folder / name / "labels.txt").write_text("ant\nbee:1\ncat\n")
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """One server with every model, for the tests that do it no harm."""
    repository = write_models(tmp_path_factory.mktemp("models"), *MODELS)
    options = ServerOptions(repository, models=tuple(MODELS), restricted_apis=(), exit_timeout_seconds=3)
    with TritonServer(options) as running:
        yield running


@pytest.fixture(params=["grpc", "http"])
def protocol(request: pytest.FixtureRequest) -> str:
    """Each test twice."""
    return str(request.param)


@pytest.fixture
def url(server: TritonServer, protocol: str) -> str:
    """The shared server's address in the test's protocol."""
    return url_of(server, protocol)


def url_of(server: TritonServer, protocol: str) -> str:
    """A server's address in one protocol."""
    return server.grpc_url if protocol == "grpc" else server.http_url


@pytest.fixture
def address() -> Callable[[TritonServer, str], str]:
    """`url_of`, for tests that start servers of their own."""
    return url_of


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    """A client of the shared server."""
    with Client(url) as opened:
        yield opened


class Awaited:
    """An `AsyncClient` as a blocking one, for tests that are the same for both."""

    def __init__(self, url: str | list[str], **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncClient(url, **options)

    def infer(self, *arguments: Any, **choices: Any) -> Answer:
        return self._runner.run(self._client.infer(*arguments, **choices))

    def sleep(self, seconds: float) -> None:
        """Lets the event loop run, as it does in a program that awaits something else."""
        self._runner.run(asyncio.sleep(seconds))

    def counts(self) -> Counts:
        return self._client.counts()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._client.close())
        self._runner.close()


@pytest.fixture(params=["blocking", "asyncio"])
def open_client(request: pytest.FixtureRequest) -> type[Client | Awaited]:
    """The client in both styles."""
    return Client if request.param == "blocking" else Awaited


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Callable[..., TritonServer]]:
    """Starts servers that a test may harm."""
    started: list[TritonServer] = []

    def start(*models: str, **options: object) -> TritonServer:
        folder = write_models(tmp_path / f"repository{len(started)}", *models)
        choices: dict[str, object] = {"restricted_apis": (), "exit_timeout_seconds": 3, **options}
        server = TritonServer(ServerOptions(folder, models=models, **choices))
        started.append(server)
        server.start()
        server.wait_ready()
        return server

    yield start
    for server in started:
        server.stop()


class RequestCounter:
    """Counts the requests that a client sends on one connection: HTTP/1.1's, or HTTP/2's frames that begin a call."""

    def __init__(self) -> None:
        self._http2: bool | None = None
        self._rest = b""

    def feed(self, data: bytes) -> int:
        if self._http2 is None:
            self._http2 = data.startswith(b"PRI * HTTP/2.0\r\n")
            data = data[24:] if self._http2 else data
        if not self._http2:
            return data.count(b" HTTP/1.1\r\n")
        self._rest += data
        begun = 0
        # RFC 9113: three bytes of length, one of type (1 is HEADERS), five more, then the payload.
        while len(self._rest) >= 9:
            end = 9 + int.from_bytes(self._rest[:3])
            if len(self._rest) < end:
                break
            begun += self._rest[3] == 1
            self._rest = self._rest[end:]
        return begun


class FaultyProxy:
    """Passes TCP on, until it is told to misbehave.

    Attributes:
        mode: "pass"; "hold" takes connections and bytes and passes nothing on; "reset" answers the first bytes of the
            server by resetting the client; "refuse" resets a client at once; "drip" passes the answer on byte by byte.
        delay: seconds before bytes are passed on.
        connections: how many it took.
        requests: how many HTTP requests or gRPC calls it passed on.
        sent: how many bytes clients sent.
    """

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self.mode = "pass"
        self.delay = 0.0
        self.connections = 0
        self.requests = 0
        self.sent = 0
        self._lock = threading.Lock()
        self._target = ("127.0.0.1", port)
        self._context = context
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        # `shutdown` wakes the thread in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._accepting.join(5)

    def cut(self) -> None:
        """Resets every connection."""
        sockets, self._sockets = self._sockets, []
        for sock in sockets:
            _reset(sock)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.mode == "refuse":
                _reset(client)
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            if self._context is not None:
                client = self._context.wrap_socket(client, server_side=True)
            server = socket.create_connection(self._target)
        except OSError:
            client.close()
            return
        self._sockets += [client, server]
        back = threading.Thread(target=self._pump, args=(server, client, True), daemon=True)
        back.start()
        self._pump(client, server, False)

    def _pump(self, source: socket.socket, sink: socket.socket, answer: bool) -> None:
        counter = RequestCounter()
        try:
            while data := source.recv(65_536):
                if not answer:
                    with self._lock:
                        self.requests += counter.feed(data)
                        self.sent += len(data)
                time.sleep(self.delay)
                while self.mode == "hold":
                    time.sleep(0.02)
                if answer and self.mode == "reset":
                    _reset(sink)
                    return
                if answer and self.mode == "drip":
                    for position in range(len(data)):
                        sink.sendall(data[position : position + 1])
                        time.sleep(0.05)
                else:
                    sink.sendall(data)
        except OSError:
            pass
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def _reset(sock: socket.socket) -> None:
    """Closes with RST: lingering switched on, for no time."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # A thread that waits in recv() would keep the connection open.
        sock.shutdown(socket.SHUT_RD)
    sock.close()


@pytest.fixture
def proxies() -> Iterator[Callable[..., FaultyProxy]]:
    """Starts faulty proxies."""
    started: list[FaultyProxy] = []

    def start(target: str, context: ssl.SSLContext | None = None) -> FaultyProxy:
        proxy = FaultyProxy(int(target.rpartition(":")[2]), context)
        started.append(proxy)
        return proxy

    yield start
    for proxy in started:
        proxy.close()
