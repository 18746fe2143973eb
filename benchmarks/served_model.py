"""What a live Triton says about the model under test: its inputs, its parts, its own statistics."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.payloads import make_requests
from tritonkit.spec.errors import InputError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.payloads import EncodedRequest
    from benchmarks.plan import LoadPlan
    from clients import Client, ModelStatistics, TensorMetadata

_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """The model under test.

    Attributes:
        name: its served name.
        inputs: those that a request must bring.
        batches: whether its first dimension is a batch's.
        parts: of an ensemble, the models that it calls, in its order.
    """

    name: str
    inputs: tuple[TensorMetadata, ...]
    batches: bool
    parts: tuple[str, ...]


Statistics = dict[tuple[str, str], "ModelStatistics"]
"""The totals of each model and version."""


def requests_of(plan: LoadPlan) -> tuple[EncodedRequest, ...]:
    """The requests that the plan asks for, of each of its models.

    Raises:
        UnavailableError: the server does not answer.
        InputError: it does not serve a model, or the files or shapes do not fit it.
    """
    return tuple(
        request
        for number, name in enumerate(plan.models)
        for request in make_requests(
            read_served_model(plan, name),
            files=_files_for(name, plan),
            shapes=dict(plan.shapes),
            batch=plan.batch,
            seed=plan.seed,
            number=number,
        )
    )


def _files_for(name: str, plan: LoadPlan) -> tuple[Path, ...]:
    """The plan's files for a model; in a mix `NAME:PATH` is a file for that model alone."""
    if not plan.mix:
        return plan.files
    named = [(str(file).partition(":"), file) for file in plan.files]
    return tuple(
        Path(rest) if owner == name else file
        for (owner, colon, rest), file in named
        if owner == name or not (colon and owner in plan.models)
    )


def read_served_model(plan: LoadPlan, name: str | None = None) -> ServedModel:
    """Asks the server for the inputs and the parts of the model `name`, or of the plan's.

    Raises:
        UnavailableError: the server does not answer.
        InputError: it does not serve the model.
    """
    name = name or plan.model
    with _asking(plan) as client:
        metadata = client.metadata(name)
        config = client.config(name)
    optional = {tensor["name"] for tensor in config.get("input", ()) if tensor.get("optional")}
    return ServedModel(
        name=name,
        inputs=tuple(tensor for tensor in metadata.inputs if tensor.name not in optional),
        batches=int(config.get("max_batch_size", 0)) > 0,
        parts=tuple(dict.fromkeys(s["model_name"] for s in config.get("ensemble_scheduling", {}).get("step", ()))),
    )


def read_statistics(plan: LoadPlan, models: Sequence[ServedModel]) -> Statistics:
    """The totals of the models and of each of their parts, by name and version.

    Raises:
        UnavailableError: the server does not answer, or keeps its statistics to itself.
    """
    with _asking(plan) as client:
        return {
            (totals.model, totals.version): totals
            for name in dict.fromkeys(name for model in models for name in (model.name, *model.parts))
            for totals in client.statistics(name)
        }


@contextlib.contextmanager
def _asking(plan: LoadPlan) -> Iterator[Client]:
    """A client of the plan's server; its errors become the kit's.

    It is closed here and not left to the garbage collector: see `users.callers`.
    """
    from clients import Client, ClientError, NotFoundError  # noqa: PLC0415 - importing benchmarks must stay light

    url = str(plan.http_url or plan.grpc_url)
    try:
        with Client(url, timeout=_TIMEOUT_SECONDS) as client:
            yield client
    except NotFoundError as error:
        raise InputError(error.what, where=url, got=error.got, hint=error.hint) from None
    except ClientError as error:
        raise UnavailableError(error.what, where=url, got=error.got, hint=error.hint) from None
