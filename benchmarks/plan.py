"""What a load test is asked to do."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from benchmarks.arrivals import RateProfile, Spacing

Protocol = Literal["grpc", "http"]
Mode = Literal["closed", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """One load test of one served model.

    Attributes:
        model: the served name.
        grpc_url, http_url: `grpc://HOST:PORT` and `http://HOST:PORT` of the protocols to use; at least one.
            `grpcs` and `https` verify the server against the machine's authorities.
        seconds: measured time.
        warmup_seconds: time under the same load before it, which no figure sees.
        grpc_users, http_users: how many of each, if its address is given. In a closed loop a user sends its next
            request when the answer to the last has come; in an open loop the users share the rate evenly.
        mode: closed: users wait for their answer. open: requests start when they are due, answered or not.
        rate: open loop: requests a second over the measured time, all users together (`arrivals.parse_rate`).
        spacing: open loop: `poisson`, as independent callers arrive, or `even`.
        files: what to send, in turn: any files for a model with one BYTES input, `.npy` for another single input,
            `.npz` by input name. Without files, random numbers of the model's own types and shapes.
        shapes: dimensions, without the batch's, of inputs whose shape the model leaves open.
        batch: items in a request, for a model that batches.
        deadline_seconds: how long a request may take, on both protocols.
        processes: how many generator processes; one can use one core.
        max_in_flight: open loop: unanswered requests at most, all users together; further ones wait for a place,
            and their latency counts from when they were due all the same.
        ceiling_seconds: how long to measure, before the test, what the generator reaches against a server that
            does nothing; 0 leaves that out.
        seed: of the payloads and the arrivals.
        mix: several models and their weights, in place of `model` alone; each request is for one of them by chance.
        sequence_length: requests in a sequence, for a model that keeps a state from one to the next; 0 for single
            requests. The steps of a sequence follow one another's answers. In an open loop it is sequences that
            arrive, and each further step is due when the answer before it has come.
        stream: send each request over a bidirectional gRPC stream, for a model that answers one request with any
            number of responses; its latency runs until the last.
        trace: open loop: seconds at which requests are due, from the beginning of the measured time, in place of a
            rate (`replay.read_trace`). The warm-up has their mean rate.
        metrics_url: Triton's metrics, `http://HOST:PORT/metrics`, for the use of its GPUs.
    """

    model: str
    grpc_url: str | None = None
    http_url: str | None = None
    seconds: float = 10.0
    warmup_seconds: float = 2.0
    grpc_users: int = 4
    http_users: int = 4
    mode: Mode = "closed"
    rate: RateProfile | None = None
    spacing: Spacing = "poisson"
    files: tuple[Path, ...] = ()
    shapes: tuple[tuple[str, tuple[int, ...]], ...] = ()
    batch: int = 1
    deadline_seconds: float = 10.0
    processes: int = 1
    max_in_flight: int = 1000
    ceiling_seconds: float = 1.0
    seed: int = 0
    mix: tuple[tuple[str, float], ...] = ()
    sequence_length: int = 0
    stream: bool = False
    trace: tuple[float, ...] = ()
    metrics_url: str | None = None

    def __post_init__(self) -> None:
        """Refuses what cannot be run.

        Raises:
            InputError: the plan contradicts itself.
        """
        addresses = (
            (self.grpc_url, ("grpc", "grpcs")),
            (self.http_url, ("http", "https")),
            (self.metrics_url, ("http", "https")),
        )
        for url, schemes in addresses:
            if url is not None and url.partition("://")[0] not in schemes:
                raise InputError("this address is of another protocol", got=url, expected=f"{schemes[0]}://HOST:PORT")
        if not self.users:
            raise InputError(
                "no users to send requests", expected="grpc_url or http_url, with at least one user of that protocol"
            )
        if (self.mode == "open") != (self.rate is not None or bool(self.trace)):
            raise InputError(
                f"an {self.mode} loop {'needs a rate' if self.mode == 'open' else 'takes no rate'}",
                got=self.rate,
                hint="in an open loop requests arrive at a rate; in a closed loop users wait for their answers",
            )
        for name in ("seconds", "deadline_seconds"):
            if getattr(self, name) <= 0:
                raise InputError(f"{name} is not positive", got=getattr(self, name), expected="seconds > 0")
        for name in ("grpc_users", "http_users", "warmup_seconds", "ceiling_seconds"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} is negative", got=getattr(self, name), expected=">= 0")
        for name in ("batch", "processes", "max_in_flight"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is too small", got=getattr(self, name), expected=">= 1")
        self._check_kind_of_load()

    def _check_kind_of_load(self) -> None:
        if self.rate is not None and self.trace:
            raise InputError("a trace has its own times", got="a rate and a trace", expected="one of them")
        if self.stream and "http" in self.users:
            raise InputError("streams are gRPC's", got=self.http_url, expected="a grpc:// address alone")
        if self.sequence_length < 0:
            raise InputError("sequence_length is negative", got=self.sequence_length, expected=">= 0")
        if self.sequence_length and (self.mix or self.stream):
            raise InputError("a sequence is of one model, and not streamed", got="sequences in a mix or over streams")
        if any(weight <= 0 for _, weight in self.mix) or len(dict(self.mix)) < len(self.mix):
            raise InputError("a mix is different models with weights above 0", got=self.mix)

    @property
    def models(self) -> tuple[str, ...]:
        """The models that are asked; a record's `model` is a number in this tuple."""
        return tuple(name for name, _ in self.mix) or (self.model,)

    @property
    def users(self) -> dict[Protocol, int]:
        """How many users of each protocol there will be, protocols without users left out."""
        wanted: dict[Protocol, int] = {
            "grpc": self.grpc_users if self.grpc_url else 0,
            "http": self.http_users if self.http_url else 0,
        }
        return {protocol: count for protocol, count in wanted.items() if count}


def parse_mix(text: str) -> tuple[str, tuple[tuple[str, float], ...]]:
    """What `a` or `a=3,b=1` names: the model, or the first of several, and the mix with its weights.

    Raises:
        InputError: a weight is no number.
    """
    if "=" not in text:
        return text, ()
    try:
        mix = tuple((name, float(weight)) for name, _, weight in (one.partition("=") for one in text.split(",")))
    except ValueError:
        raise InputError("this is no mix of models", got=repr(text), expected="NAME=WEIGHT,NAME=WEIGHT") from None
    return mix[0][0], mix


def plan_to_json(plan: LoadPlan) -> str:
    """`plan` as the generator's process reads it."""
    return json.dumps(dataclasses.asdict(plan), default=str, indent=2)


def plan_from_json(text: str) -> LoadPlan:
    """The plan that `plan_to_json` wrote."""
    fields = json.loads(text)
    rate = fields["rate"]
    return LoadPlan(
        **{
            **fields,
            "rate": None if rate is None else cast("RateProfile", tuple(tuple(point) for point in rate)),
            "files": tuple(Path(file) for file in fields["files"]),
            "shapes": tuple((name, tuple(dims)) for name, dims in fields["shapes"]),
            "mix": tuple((name, weight) for name, weight in fields["mix"]),
            "trace": tuple(fields["trace"]),
        }
    )
