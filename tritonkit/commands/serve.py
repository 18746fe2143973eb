"""`tritonkit serve`: a real Triton on a repository, in the foreground."""

from __future__ import annotations

import contextlib
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from tritonkit.commands import console, exit_codes
from tritonkit.server.options import ServerOptions
from tritonkit.server.triton import READY_TIMEOUT_SECONDS, TritonServer
from tritonkit.spec.errors import GateError
from tritonkit.spec.ngc import DEFAULT_RELEASE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from types import FrameType

EXAMPLE = "tritonkit serve model_repository --http-port 8000 --grpc-port 8001 -- --log-verbose=1"
POLL_SECONDS = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what to serve, where, and how."""
    parser.add_argument("repository", help="model repository: a folder, or s3://, gs://, as://")
    parser.add_argument("--http-port", type=int, metavar="PORT", help="default: a free one")
    parser.add_argument("--grpc-port", type=int, metavar="PORT", help="default: a free one")
    parser.add_argument("--metrics-port", type=int, metavar="PORT", help="default: a free one")
    parser.add_argument(
        "--model", action="append", default=[], metavar="NAME", help="serve this model only; repeatable"
    )
    parser.add_argument("--keep-going", action="store_true", help="serve the rest when a model does not load")
    parser.add_argument("--target", default=DEFAULT_RELEASE, metavar="YY.MM", help="release to stand for (%(default)s)")
    parser.add_argument("--exit-timeout", type=int, default=10, metavar="S", help="budget of a stop (%(default)s s)")
    parser.add_argument(
        "--ready-timeout", type=float, default=READY_TIMEOUT_SECONDS, metavar="S", help="to load (%(default)s s)"
    )
    parser.add_argument(
        "--admin-key-file", type=Path, metavar="FILE", help="write the administrative key there, mode 0600"
    )
    parser.add_argument("flags", nargs="*", metavar="-- FLAG", help="further tritonserver flags")


def run(args: argparse.Namespace) -> int:
    """Serves until Ctrl-C or SIGTERM; 1 when a model does not load or the server ends by itself."""
    options = ServerOptions(
        repository=args.repository,
        models=tuple(args.model),
        http_port=args.http_port,
        grpc_port=args.grpc_port,
        metrics_port=args.metrics_port,
        release=args.target,
        exit_on_error=not args.keep_going,
        strict_readiness=not args.keep_going,
        exit_timeout_seconds=args.exit_timeout,
        extra_flags=tuple(args.flags),
    )
    stop = threading.Event()
    with _stopped_by_signals(stop), contextlib.ExitStack() as stack:
        server = TritonServer(options, progress=console.say)
        stack.callback(server.stop)
        server.start()
        server.wait_ready(args.ready_timeout)
        _announce(server, as_json=args.json)
        if args.admin_key_file is not None:
            _write_key(args.admin_key_file, server.admin_key)
            stack.callback(args.admin_key_file.unlink, missing_ok=True)
        while server.running and not stop.wait(POLL_SECONDS):
            pass
        if not stop.is_set():
            raise GateError("the server ended by itself", got=server.stop().explanation, log_path=server.log_path)
        ended = server.stop()
        console.say(f"stopped in {ended.seconds:.1f} s: {ended.explanation}")
    return exit_codes.OK


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


def _write_key(path: Path, key: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(f"{key}\n")


@contextlib.contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set `stop` instead of ending the process; while models load they interrupt at once."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
