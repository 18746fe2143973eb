"""`tritonkit serve`: a real Triton on a repository, in the foreground."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tritonkit.commands import console, exit_codes
from tritonkit.commands.live_load import ADMIN_KEY_VARIABLE
from tritonkit.server.options import ServerOptions
from tritonkit.server.served import is_remote, served_models
from tritonkit.server.triton import READY_TIMEOUT_SECONDS, TritonServer
from tritonkit.server.watchdog import LOOK_EVERY_SECONDS, StubWatch, heal
from tritonkit.spec.errors import GateError
from tritonkit.spec.ngc import DEFAULT_RELEASE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from types import FrameType

EXAMPLE = "tritonkit serve model_repository --http-port 8000 --grpc-port 8001 -- --log-verbose=1"
POLL_SECONDS = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what to serve, where, and how."""
    parser.add_argument("repository", metavar="REPOSITORY", help="a folder, or an address such as s3://BUCKET/PREFIX")
    for name in ("http", "grpc", "metrics"):
        parser.add_argument(f"--{name}-port", type=int, metavar="PORT", help="default: a free one")
    parser.add_argument(
        "--model", action="append", default=[], metavar="NAME", help="serve this model only; may be given several times"
    )
    parser.add_argument("--keep-going", action="store_true", help="serve the rest when a model does not load")
    parser.add_argument(
        "--target", metavar="YY.MM", help=f"release to stand for (default: the manifests', else {DEFAULT_RELEASE})"
    )
    parser.add_argument("--exit-timeout", type=int, default=10, metavar="S", help="budget of a stop (%(default)s s)")
    parser.add_argument(
        "--ready-timeout", type=float, default=READY_TIMEOUT_SECONDS, metavar="S", help="to load (%(default)s s)"
    )
    parser.add_argument(
        "--admin-key-file",
        type=Path,
        metavar="FILE",
        help=f"write the key of the administrative APIs there, mode 0600; ${ADMIN_KEY_VARIABLE} sets the key itself",
    )
    parser.add_argument(
        "--runtime", choices=("wheel", "docker", "podman"), default="wheel", help="where it runs (%(default)s)"
    )
    parser.add_argument("--image", help="container image (default: that of the release)")
    parser.add_argument("flags", nargs="*", metavar="-- FLAG", help="further tritonserver flags")


def run(args: argparse.Namespace) -> int:
    """Serves until Ctrl-C or SIGTERM; 1 when a model does not load or the server ends by itself."""
    server = TritonServer(_options(args), progress=console.say)
    with _caught_signals() as signals, contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        server.start()
        server.wait_ready(args.ready_timeout)
        signals.loaded = True
        if args.admin_key_file is not None:
            _write_key(args.admin_key_file, server.admin_key)
            stack.callback(args.admin_key_file.unlink, missing_ok=True)
        _announce(server, as_json=args.json)
        _watch(server, signals)
        ended = server.stop()
        console.say(f"stopped in {ended.seconds:.1f} s: {ended.explanation}")
    return exit_codes.OK


def _options(args: argparse.Namespace) -> ServerOptions:
    served = None if is_remote(args.repository) else served_models(Path(args.repository))
    return ServerOptions(
        repository=args.repository,
        models=tuple(args.model),
        http_port=args.http_port,
        grpc_port=args.grpc_port,
        metrics_port=args.metrics_port,
        release=args.target or (served.target if served else None) or DEFAULT_RELEASE,
        exit_on_error=not args.keep_going,
        strict_readiness=not args.keep_going,
        exit_timeout_seconds=args.exit_timeout,
        admin_key=os.environ.get(ADMIN_KEY_VARIABLE),
        packages=served.packages if served else (),
        runtime=args.runtime,
        image=args.image,
        extra_flags=tuple(args.flags),
    )


def _announce(server: TritonServer, *, as_json: bool) -> None:
    failures = server.failures()
    failed = {failure.model for failure in failures}
    served = [name for name in server.models if name not in failed and server.model_is_ready(name)]
    if as_json:
        console.print_json(
            {
                "http": server.http_url,
                "grpc": server.grpc_url,
                "metrics": server.metrics_url,
                "models": served,
                "not_served": {failure.model: failure.reason for failure in failures},
                "log": str(server.log_path),
            }
        )
        return
    models = ", ".join(served) or "no model"
    console.emit(f"ready: {server.http_url}  {server.grpc_url}  {server.metrics_url}  serving {models}")
    for failure in failures:
        console.say(f"not served: {failure.model}: {failure.reason}")


def _watch(server: TritonServer, signals: _Signals) -> None:
    """Returns when a signal asks to stop; brings back what dies meanwhile.

    Raises:
        GateError: the server ended by itself, or a model does not come back.
    """
    watch = StubWatch(server)
    looked = time.monotonic()
    while not signals.asked:
        time.sleep(POLL_SECONDS)
        if not server.running:
            raise GateError("the server ended by itself", got=server.stop().explanation, log_path=server.log_path)
        if time.monotonic() - looked < LOOK_EVERY_SECONDS:
            continue
        dead = watch.dead_models()
        if dead:
            console.say(f"the process of {', '.join(dead)} died")
            console.say(heal(server, dead))
        looked = time.monotonic()


def _write_key(path: Path, key: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(f"{key}\n")


@dataclass(slots=True)
class _Signals:
    """Before the models have loaded a signal interrupts at once; later it asks to stop, and the second interrupts."""

    loaded: bool = False
    asked: bool = False

    def receive(self, _number: int, _frame: FrameType | None) -> None:
        if not self.loaded or self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextlib.contextmanager
def _caught_signals() -> Iterator[_Signals]:
    """SIGINT and SIGTERM go to what it yields."""
    signals = _Signals()
    before = {number: signal.signal(number, signals.receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
