"""OpenTelemetry spans and metrics of inferences, where its SDK is in use; nothing otherwise.

The names follow OpenTelemetry's conventions for remote calls. The trace context travels to the server, which
continues the trace when it runs with `--trace-config mode=opentelemetry`.
"""

from __future__ import annotations

import functools
import importlib
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .errors import ClientError
    from .messages import InferRequest, Message

_SCOPE = "tritonkit.client"

# What happens on the way to an answer, by its name in `Counts`: unit and description.
_EVENTS = {
    "rejections": ("{attempt}", "Attempts that a server refused because its queue was full"),
    "ejections": ("{ejection}", "Times that a server was left alone because it failed"),
    "hedges": ("{attempt}", "Second requests sent because the first was slow"),
    "unbudgeted": ("{retry}", "Retries that the budget did not allow"),
}


class Span:
    """One inference that is being traced and counted."""

    def __init__(self, telemetry: Telemetry, span: Any, attributes: dict[str, str]) -> None:
        self._telemetry = telemetry
        self._span = span
        self._attributes = attributes
        self._began = time.monotonic()

    def succeeded(self, endpoint: str, attempts: int) -> None:
        """The answer came, from `endpoint` and after `attempts`."""
        self._end(endpoint, attempts, "")

    def failed(self, error: ClientError) -> None:
        """The call was given up."""
        self._span.set_status(self._telemetry.error_status(str(error)))
        self._end(error.endpoint, error.attempt, type(error).__name__)

    def interrupted(self, reason: BaseException, endpoint: str) -> None:
        """The caller went away: its task was cancelled, or its stream closed early."""
        self._end(endpoint, 1, type(reason).__name__)

    def _end(self, endpoint: str, attempts: int, error: str) -> None:
        self._span.set_attribute("server.address", endpoint)
        self._span.set_attribute("triton.attempts", attempts)
        attributes = dict(self._attributes)
        if error:
            self._span.set_attribute("error.type", error)
            attributes["error.type"] = error
        self._span.end()
        self._telemetry.duration.record(time.monotonic() - self._began, attributes)
        self._telemetry.attempts.add(attempts, attributes)


class Telemetry:
    """The tracer and the instruments."""

    def __init__(self) -> None:
        # By name, because it is optional: neither the process nor a type checker needs to have it.
        self._trace: Any = importlib.import_module("opentelemetry.trace")
        self._inject = importlib.import_module("opentelemetry.propagate").inject
        self._tracer = self._trace.get_tracer(_SCOPE)
        meter = importlib.import_module("opentelemetry.metrics").get_meter(_SCOPE)
        self.duration = meter.create_histogram(
            "triton.client.duration", unit="s", description="Inferences by the caller's clock, retries included"
        )
        self.attempts = meter.create_counter(
            "triton.client.attempts", unit="{attempt}", description="Requests sent for inferences, retries included"
        )
        self._events = {
            event: meter.create_counter(f"triton.client.{event}", unit=unit, description=description)
            for event, (unit, description) in _EVENTS.items()
        }

    def begin(self, request: InferRequest, endpoints: Sequence[str]) -> tuple[Span, tuple[tuple[str, str], ...]]:
        """A span for `request`, and the headers that carry it to the server."""
        attributes = {
            "rpc.system": "triton",
            "rpc.method": "ModelInfer",
            "network.protocol.name": endpoints[0].partition(":")[0],
            "triton.model": request.model,
            "triton.model_version": request.version,
        }
        span = self._tracer.start_span(
            f"infer {request.model}", kind=self._trace.SpanKind.CLIENT, attributes=attributes
        )
        carrier: dict[str, str] = {}
        self._inject(carrier, context=self._trace.set_span_in_context(span))
        return Span(self, span, attributes), tuple(carrier.items())

    def happened(self, event: str, message: Message, endpoint: str) -> None:
        """Counts one of `_EVENTS`."""
        self._events[event].add(1, {"triton.model": message.model, "server.address": endpoint})

    def error_status(self, description: str) -> Any:
        """A span's status for a failure."""
        return self._trace.Status(self._trace.StatusCode.ERROR, description)


def find_telemetry() -> Telemetry | None:
    """The process's telemetry; None while no SDK is loaded that would receive a span or a figure.

    OpenTelemetry's API alone does nothing, and comes with many libraries.
    """
    if "opentelemetry.sdk.trace" in sys.modules or "opentelemetry.sdk.metrics" in sys.modules:
        return _telemetry()
    return None


@functools.cache
def _telemetry() -> Telemetry:
    return Telemetry()
