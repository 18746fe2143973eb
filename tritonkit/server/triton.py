"""A tritonserver: started, waited for, controlled, stopped."""

from __future__ import annotations

import contextlib
import random
import secrets
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tritonkit.server import control
from tritonkit.server.environment import ensure_environment
from tritonkit.server.flags import ADMIN_HEADER, GRPC_ADMIN_HEADER, Ports, Resolved
from tritonkit.server.logs import LogReader, Record, load_failures
from tritonkit.server.process import ServerProcess, new_shared_memory_prefix, remove_regions, remove_stale_regions
from tritonkit.server.readiness import metrics_answer, model_ready, server_live, server_ready
from tritonkit.server.runtimes.container import container_launch
from tritonkit.server.runtimes.wheel import wheel_launch
from tritonkit.server.served import is_remote, served_models
from tritonkit.spec.cache_root import cache_root
from tritonkit.spec.errors import GateError, InputError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from tritonkit.server.control import ModelState
    from tritonkit.server.logs import LoadFailure
    from tritonkit.server.options import ServerOptions
    from tritonkit.server.process import Launch

POLL_SECONDS = 0.05
PORT_ATTEMPTS = 5
STOP_MARGIN_SECONDS = 5.0
# An engine takes down network and file system of a container after its server has ended: podman 4.3, measured, 15 s.
CONTAINER_STOP_MARGIN_SECONDS = 60.0
READY_TIMEOUT_SECONDS = 120.0
LOG_ROOM_BYTES = 1_000_000
KEEP_LOGS_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitInfo:
    """How a server ended.

    Attributes:
        code: the exit status, negative for a signal.
        seconds: from the request to stop until the end.
        explanation: what that status means.
    """

    code: int
    seconds: float
    explanation: str


class TritonServer:
    """One tritonserver on free loopback ports, alive between `start` and `stop`.

    As a context manager it starts, waits until every served model is ready, and stops on every path out. However this
    process ends, the server and its children end with it.

        with TritonServer(ServerOptions(repository)) as server:
            print(server.http_url)
    """

    def __init__(self, options: ServerOptions, *, progress: Callable[[str], None] | None = None) -> None:
        self.options = options
        self._progress = progress
        self._process: ServerProcess | None = None
        self._resolved: Resolved | None = None
        self._log_path = options.log_path or _new_log_path()
        self._started: frozenset[str] = frozenset()
        self._records: list[Record] = []
        self._log = LogReader(self._log_path)

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def http_url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://{self.options.host}:{self._settled.ports.http}"

    @property
    def grpc_url(self) -> str:
        """`grpc://127.0.0.1:PORT`."""
        return f"grpc://{self.options.host}:{self._settled.ports.grpc}"

    @property
    def metrics_url(self) -> str:
        """`http://127.0.0.1:PORT/metrics`."""
        return f"http://{self.options.host}:{self._settled.ports.metrics}/metrics"

    @property
    def pid(self) -> int:
        """The process id of tritonserver itself."""
        return self._running.pid

    @property
    def log_path(self) -> Path:
        """The file with the server's whole output."""
        return self._log_path

    @property
    def admin_key(self) -> str:
        """What the restricted APIs ask for."""
        return self._settled.admin_key

    @property
    def admin_headers(self) -> dict[str, str]:
        """The HTTP headers that open the restricted APIs."""
        return {ADMIN_HEADER: self.admin_key}

    @property
    def grpc_admin_headers(self) -> dict[str, str]:
        """The gRPC metadata that opens the restricted APIs."""
        return {GRPC_ADMIN_HEADER: self.admin_key}

    @property
    def models(self) -> tuple[str, ...]:
        """The models that must be ready, as far as they were known when the server started."""
        return self._settled.expected

    @property
    def explicit(self) -> bool:
        """Whether models can be loaded and unloaded."""
        return self._settled.control == "explicit"

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.running

    def start(self) -> None:
        """Starts the process; ports that were chosen here and taken meanwhile are chosen again.

        Returns once the process runs; its models may still be loading.

        Raises:
            InputError: the repository does not exist, a flag is not known.
            UnavailableError: a port that was asked for is taken, the disk is full, or this machine cannot run the
                server.
        """
        if self._process is not None:
            raise InputError("this server was started already", got=f"pid {self._process.pid}")
        _require_room(self._log_path.parent)
        remove_stale_regions()
        self._spawn(_resolve(self.options, _choose_ports(self.options)))

    def wait_ready(self, timeout: float = READY_TIMEOUT_SECONDS) -> None:
        """Waits until the server listens on its three ports and each served model is ready.

        Raises:
            GateError: a model does not load, with that model's own reason.
            UnavailableError: the server ended or did not get ready in time.
        """
        deadline = time.monotonic() + timeout
        attempts = 1
        while True:
            taken = self._taken_port()
            if taken and not self.running and attempts < PORT_ATTEMPTS and self._ports_are_ours():
                attempts += 1
                self._running.stop(0)
                self._spawn(_resolve(self.options, _choose_ports(self.options)))
                continue
            if taken and not self.running:
                raise UnavailableError(
                    "this port is in use", where=taken, hint="stop the other server or take another port"
                )
            if not self.running:
                raise self._start_failure()
            if self._listening() and self._all_ready() and self._metrics_answer():
                return
            if time.monotonic() > deadline:
                _require_room(self._log_path.parent)
                raise UnavailableError(
                    "the server did not get ready in time",
                    got=f"{timeout:.0f} s; not ready: {', '.join(self._not_ready()) or 'the server itself'}",
                    log_path=self.log_path,
                )
            time.sleep(POLL_SECONDS)

    def stop(self) -> ExitInfo:
        """Stops the server within its budget and a margin; afterwards nothing of it is left.

        Returns:
            how it ended. Stopping a server that has ended, or never started, is no error.
        """
        process, self._process = self._process, None
        if process is None:
            return ExitInfo(code=0, seconds=0.0, explanation="was not running")
        began = time.monotonic()
        was_running = process.running
        margin = STOP_MARGIN_SECONDS if self.options.runtime == "wheel" else CONTAINER_STOP_MARGIN_SECONDS
        code = process.stop(self.options.exit_timeout_seconds + margin)
        remove_regions(self._settled.shared_memory_prefix)
        seconds = time.monotonic() - began
        self._read_log()
        return ExitInfo(code=code, seconds=seconds, explanation=self._explain(code, was_running=was_running))

    def kill(self) -> None:
        """Ends the server and its children at once, without a word to it; nothing of it is left."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            remove_regions(self._settled.shared_memory_prefix)

    def restart(self, timeout: float = READY_TIMEOUT_SECONDS) -> None:
        """Stops the server and starts it on the same ports, which clears a readiness spoilt by a failed load.

        Raises:
            GateError: a model does not load.
            UnavailableError: the server ended or did not get ready in time; the disk is full, and then the server
                goes on as it was.
        """
        resolved = self._settled
        _require_room(self._log_path.parent)
        self.stop()
        self._spawn(resolved)
        self.wait_ready(timeout)

    def index(self) -> tuple[ModelState, ...]:
        """Every model that the server knows of, with its state.

        Raises:
            UnavailableError: the server does not answer.
        """
        return control.index(self._channel)

    def load(self, name: str) -> None:
        """Loads one model, or loads it anew.

        A failed load leaves the server's readiness at 400 until a restart, under strict readiness, although every
        other model keeps answering (2.51.0, still so at 26.08); the error says what is still served.

        Raises:
            GateError: it does not load; its reason, what is still served, and the way back.
            UnavailableError: the server does not answer.
        """
        try:
            control.load(self._channel, name)
        except GateError as error:
            raise self._explained(error, name) from None

    def reload(self, name: str) -> None:
        """Replaces the instances of a loaded model by new ones, although its files have not changed.

        Raises:
            GateError: it does not load; its reason, what is still served, and the way back.
            UnavailableError: the server does not answer.
        """
        try:
            control.reload(self._channel, name)
        except GateError as error:
            raise self._explained(error, name) from None

    def unload(self, name: str) -> None:
        """Unloads one model; an ensemble takes with it the parts that only it uses.

        Raises:
            GateError: the server refuses.
            UnavailableError: the server does not answer.
        """
        control.unload(self._channel, name)

    def is_ready(self) -> bool:
        """Whether the server says that it is ready as a whole."""
        return self.running and server_ready(self.options.host, self._settled.ports.http)

    def model_is_ready(self, name: str, version: int | None = None) -> bool:
        """Whether one model answers, whatever the state of the others."""
        return self.running and model_ready(self.options.host, self._settled.ports.http, name, version)

    def failures(self) -> tuple[LoadFailure, ...]:
        """Each model that failed to load so far, with its reason."""
        self._read_log()
        return load_failures(self._records)

    def records(self) -> tuple[Record, ...]:
        """The log so far, parsed."""
        self._read_log()
        return tuple(self._records)

    @property
    def _settled(self) -> Resolved:
        if self._resolved is None:
            raise UnavailableError("this server has not been started")
        return self._resolved

    @property
    def _running(self) -> ServerProcess:
        if self._process is None:
            raise UnavailableError("this server is not running")
        return self._process

    @property
    def _channel(self) -> control.ControlChannel:
        return control.ControlChannel(host=self.options.host, port=self._settled.ports.http, headers=self.admin_headers)

    def _spawn(self, resolved: Resolved) -> None:
        launch = self._launch(resolved)
        self._resolved = resolved
        self._records = []
        size = self._log_path.stat().st_size if self._log_path.exists() else 0
        self._log = LogReader(self._log_path, offset=size)
        self._started = launch.started
        self._process = ServerProcess(launch)

    def _launch(self, resolved: Resolved) -> Launch:
        if self.options.runtime != "wheel":
            return container_launch(self.options, resolved, self._log_path)
        environment = ensure_environment(self.options.release, packages=self.options.packages, progress=self._progress)
        return wheel_launch(self.options, resolved, environment, self._log_path)

    def _read_log(self) -> None:
        self._records.extend(self._log.new_records())

    def _listening(self) -> bool:
        """Whether our own process has opened its ports: another server may answer on one that was taken."""
        self._read_log()
        return self._started <= {record.message for record in self._records}

    def _metrics_answer(self) -> bool:
        """Triton says that it has started them a moment before they can be read, and opens them last of all."""
        return metrics_answer(self.options.host, self._settled.ports.metrics)

    def _all_ready(self) -> bool:
        if not self.options.exit_on_error:
            # By the time that it listens, every model has loaded or failed.
            return server_live(self.options.host, self._settled.ports.http)
        return self.is_ready() and not self._not_ready()

    def _not_ready(self) -> tuple[str, ...]:
        return tuple(name for name in self._settled.expected if not self.model_is_ready(name))

    def _ports_are_ours(self) -> bool:
        return None in {self.options.http_port, self.options.grpc_port, self.options.metrics_port}

    def _taken_port(self) -> str | None:
        self._read_log()
        for record in self._records:
            if "already in use" in record.message or "Address already in use" in record.message:
                return record.message.partition("'")[2].partition("'")[0] or record.message
        return None

    def _start_failure(self) -> GateError | UnavailableError:
        failures = self.failures()
        if failures:
            first, *others = failures
            hint = f"also: {'; '.join(f'{other.model}: {other.reason}' for other in others)}" if others else None
            return GateError("this model does not load", where=first.model, got=first.reason, hint=hint)
        errors = [record.message for record in self._records if record.message.lower().startswith("error")]
        return UnavailableError(
            "the server ended before it was ready",
            got=errors[-1] if errors else f"exit status {self._running.exit_code}",
            log_path=self.log_path,
        )

    def _explained(self, error: GateError, name: str) -> GateError:
        with contextlib.suppress(UnavailableError, GateError):
            served = sorted({state.name for state in self.index() if state.ready})
            still = f"still served: {', '.join(served)}" if served else "nothing is served"
            poisoned = self.options.strict_readiness and not self.is_ready()
            way = "; /v2/health/ready stays 400 until a restart or a good load of the same version" if poisoned else ""
            return GateError(error.what, where=name, got=error.got, hint=f"{still}{way}")
        return error

    def _explain(self, code: int, *, was_running: bool) -> str:
        if not was_running:
            return f"had ended by itself with status {code}"
        if code == 0:
            return "stopped cleanly"
        if any("Exit timeout expired" in record.message for record in self._records):
            return (
                "its budget ran out: an open HTTP connection, a request, or a model whose process had died outlived it"
            )
        if code == -9:
            return "did not stop within its budget and was killed"
        return f"ended with status {code} while stopping"


def _resolve(options: ServerOptions, ports: Ports) -> Resolved:
    """Decides what `options` leave open."""
    load = options.models
    expected = tuple(name for name in options.models if name != "*")
    everything = not options.models
    built_by_kit = False
    if not is_remote(options.repository):
        served = served_models(Path(options.repository))
        built_by_kit = served.built_by_kit
        if not options.models:
            load = () if options.control == "explicit" or served.everything else served.names
            expected = served.names if options.control != "explicit" else ()
            everything = served.everything
    return Resolved(
        control=options.control or ("none" if everything else "explicit"),
        load=load,
        expected=expected,
        auto_complete=not built_by_kit if options.auto_complete is None else options.auto_complete,
        ports=ports,
        admin_key=options.admin_key or secrets.token_urlsafe(24),
        shared_memory_prefix=new_shared_memory_prefix(),
    )


def _choose_ports(options: ServerOptions) -> Ports:
    """The ports asked for, which must be free, and free ones for the rest.

    Raises:
        UnavailableError: a port that was asked for is taken.
    """
    chosen: list[int] = []
    for name, port in (("http", options.http_port), ("grpc", options.grpc_port), ("metrics", options.metrics_port)):
        if port is None:
            chosen.append(_free_port(options.host, chosen))
        elif _is_free(options.host, port):
            chosen.append(port)
        else:
            raise UnavailableError(
                f"the {name} port is in use",
                where=f"{options.host}:{port}",
                hint=f"stop what listens there or give another --{name}-port",
            )
    return Ports(http=chosen[0], grpc=chosen[1], metrics=chosen[2])


def _free_port(host: str, taken: list[int]) -> int:
    """A free port below the range from which the kernel serves outgoing connections, so that none of them takes it."""
    for _ in range(200):
        port = random.randrange(*_PORT_RANGE)  # noqa: S311 - not a secret
        if port not in taken and _is_free(host, port):
            return port
    raise UnavailableError("no free port was found", where=host, expected=f"one in {_PORT_RANGE[0]}-{_PORT_RANGE[1]}")


_PORT_RANGE = (10000, 32000)


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As the server itself binds: a connection of the last server in TIME_WAIT is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _require_room(folder: Path) -> None:
    """Refuses to go on where the server could not write its log, by which it is watched.

    Raises:
        UnavailableError: the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < LOG_ROOM_BYTES:
        raise UnavailableError(
            "the disk for the server's log is full",
            where=folder,
            got=f"{free:,} bytes free",
            expected=f"{LOG_ROOM_BYTES:,}",
            hint="make room, or set TRITONKIT_CACHE to another disk",
        )


def _new_log_path() -> Path:
    folder = cache_root() / "server" / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    for log in folder.glob("*.log"):
        # Other processes tidy up here at the same moment.
        with contextlib.suppress(FileNotFoundError):
            if time.time() - log.stat().st_mtime > KEEP_LOGS_SECONDS:
                log.unlink()
    return folder / f"{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(3)}.log"
