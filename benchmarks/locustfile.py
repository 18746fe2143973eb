"""Load tests of a served model, for Locust: `locust -f benchmarks/locustfile.py --help`.

By itself it is an ordinary locustfile: the web page starts and stops it, workers distribute it, Locust counts, and
`GrpcUser` or `HttpUser` at the end of the command line leaves the other protocol out. As
the child of `tritonkit bench` it finds a folder in `TRITONKIT_LOAD_RUN` with the plan and the payloads, writes
records there, and takes the moment to begin from the parent, so that all processes and the server's statistics
speak of the same seconds.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
from locust import constant, events
from locust.exception import StopTest
from locust.runners import MasterRunner

from benchmarks.arrivals import parse_rate
from benchmarks.payloads import load_requests
from benchmarks.plan import LoadPlan, parse_mix, plan_from_json
from benchmarks.records import Ending, Reason
from benchmarks.served_model import requests_of
from benchmarks.users.grpc_user import GrpcUser
from benchmarks.users.http_user import HttpUser
from benchmarks.users.load_run import PULSE_SECONDS, FileLedger, LoadRun, keep_pulse
from tritonkit.spec.errors import KitError

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.argument_parser import LocustArgumentParser
    from locust.env import Environment
    from locust.event import EventHook

    from benchmarks.plan import Protocol

__all__ = ["GrpcUser", "HttpUser"]

FOLDER = os.environ.get("TRITONKIT_LOAD_RUN")
GRPC_URL, HTTP_URL = "grpc://127.0.0.1:8001", "http://127.0.0.1:8000"
_POLL_SECONDS = 0.02

# No pause between the requests of a closed loop: the users themselves set the concurrency.
GrpcUser.wait_time = HttpUser.wait_time = constant(0)


def add_arguments(parser: LocustArgumentParser) -> None:
    """The options of a run without `tritonkit bench`; the web page shows them too."""
    parser.add_argument(
        "--model", env_var="TRITON_MODEL", default="", is_required=True, help="the served model, or a mix: a=3,b=1"
    )
    parser.add_argument("--grpc-url", env_var="TRITON_GRPC_URL", default=GRPC_URL, help="for GrpcUser")
    parser.add_argument("--http-url", env_var="TRITON_HTTP_URL", default=HTTP_URL, help="for HttpUser")
    parser.add_argument("--files", env_var="TRITON_FILES", nargs="*", default=[], help="what to send, in turn")
    parser.add_argument("--sequence-length", type=int, default=0, help="requests in a sequence of a stateful model")
    parser.add_argument("--stream", action="store_true", help="a gRPC stream for each request, for decoupled models")
    parser.add_argument("--batch", type=int, default=1, help="items in a request")
    parser.add_argument("--rate", default="", help="open loop: requests a second of each user; empty: closed loop")
    parser.add_argument("--deadline", type=float, default=10.0, help="seconds that a request may take")


class LocustLedger:
    """Hands each request to Locust's own statistics."""

    def __init__(self, environment: Environment, models: tuple[str, ...]) -> None:
        self._environment = environment
        self._models = models

    def write(
        self, *, intended: float, sent: float, done: float, protocol: Protocol, ending: Ending, model: int
    ) -> None:
        """See `Ledger.write`; in an open loop the latency counts from the intended start."""
        del sent
        self._environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type=protocol,
            name=self._models[model],
            response_time=(done - intended) * 1000,
            response_length=0,
            exception=None if ending.reason is Reason.ANSWERED else RuntimeError(_told(ending)),
            context={},
        )


def _told(ending: Ending) -> str:
    return f"{ending.reason.label}: {ending.message}"


def on_init(environment: Environment, **_: Any) -> None:
    """Under `tritonkit bench`: reads the plan and the payloads, and waits beside the users for the beginning."""
    if FOLDER is None or isinstance(environment.runner, MasterRunner):
        return
    folder = Path(FOLDER)
    ledger = FileLedger(folder)
    plan = plan_from_json((folder / "plan.json").read_text())
    run = LoadRun(plan, load_requests(folder / "requests"), ledger, sources=sum(plan.users.values()))
    GrpcUser.load_run = HttpUser.load_run = run

    def announce(**_: Any) -> None:
        (folder / f"ready-{os.getpid()}").touch()
        gevent.spawn(keep_pulse, ledger)
        gevent.spawn(follow_parent, folder, run, environment)

    environment.events.spawning_complete.add_listener(announce)  # type: ignore[no-untyped-call]


def follow_parent(folder: Path, run: LoadRun, environment: Environment) -> None:
    """Begins when the parent says so, and tells it when the last user has ended."""
    begin = folder / "begin"
    while not begin.exists():
        gevent.sleep(_POLL_SECONDS)
    run.begin(float(begin.read_text()), seconds=run.plan.warmup_seconds + run.plan.seconds)
    while not run.over or (environment.runner and environment.runner.user_count):
        gevent.sleep(_POLL_SECONDS)
    # Two pulses: the first still writes the last records.
    gevent.sleep(2 * PULSE_SECONDS)
    (folder / f"done-{os.getpid()}").touch()


def on_test_start(environment: Environment, **_: Any) -> None:
    """Without `tritonkit bench`: makes plan and payloads from the options, and begins at once."""
    if FOLDER is not None or isinstance(environment.runner, MasterRunner):
        return
    try:
        plan = plan_from_options(environment)
        requests = requests_of(plan)
    except KitError as error:
        logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - the line says it all
        environment.process_exit_code = error.exit_code
        raise StopTest(str(error)) from None
    # Each user is a source of the whole rate, so that the number of users, as the web page sets it, scales the load.
    run = LoadRun(plan, requests, LocustLedger(environment, plan.models), sources=1)
    GrpcUser.load_run = HttpUser.load_run = run
    gevent.spawn(run.begin, time.monotonic(), seconds=None)


def plan_from_options(environment: Environment) -> LoadPlan:
    """The plan that the command line, or the form of the web page, asks for, for the classes that Locust runs."""
    options = environment.parsed_options
    assert options is not None  # noqa: S101 - Locust has parsed its command line by now
    users = options.num_users or 1
    model, mix = parse_mix(options.model)
    return LoadPlan(
        model=model,
        mix=mix,
        sequence_length=options.sequence_length,
        stream=options.stream,
        grpc_url=options.grpc_url if GrpcUser in environment.user_classes else None,
        http_url=options.http_url if HttpUser in environment.user_classes else None,
        grpc_users=users,
        http_users=users,
        mode="open" if options.rate else "closed",
        rate=parse_rate(options.rate, 60.0) if options.rate else None,
        files=tuple(Path(file) for file in options.files),
        batch=options.batch,
        deadline_seconds=options.deadline,
        warmup_seconds=0.0,
    )


# Called here, and not as decorators: Locust's are untyped and would take the functions' types away.
LISTENERS: tuple[tuple[EventHook, Callable[..., None]], ...] = (
    (events.init_command_line_parser, add_arguments),
    (events.init, on_init),
    (events.test_start, on_test_start),
)
for _hook, _listener in LISTENERS:
    _hook.add_listener(_listener)  # type: ignore[no-untyped-call]
