"""Spans and figures where OpenTelemetry is set up."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry is optional and not installed here")

CODE = """
import numpy as np
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from clients import Client, ClientError, Retry
from clients.messages import InferRequest
from clients.testing import Code, FakeModel, FakeTransport, Fault

exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
metrics.set_meter_provider(MeterProvider([reader]))

class Recording(FakeTransport):
    def send(self, message, exchange):
        if isinstance(message, InferRequest):
            self.seen = dict(exchange.headers)
        return FakeTransport.send(self, message, exchange)

model = FakeModel(inputs={"x": ("FP32", (1,))}, outputs={"y": ("FP32", (1,))}, answer=lambda i: {"y": i["x"]})
transport = Recording({"m": model})
client = Client("grpc://fake", transport=transport, retry=Retry(backoff=0.001))
x = {"x": np.ones(1, np.float32)}
with trace.get_tracer("caller").start_as_current_span("caller") as caller:
    transport.fail(Fault(Code.UNAVAILABLE, "Exceeds maximum queue size"))
    client.infer("m", x)
transport.fail(Fault(Code.INTERNAL, "the model is ill"))
try:
    client.infer("m", x)
except ClientError:
    pass
list(client.stream("m", x))
good, _, bad, streamed = exporter.get_finished_spans()
assert good.name == "infer m" and good.parent.span_id == caller.get_span_context().span_id
assert good.attributes["triton.attempts"] == 2 and good.attributes["server.address"] == "grpc://fake:8001"
assert format(streamed.context.trace_id, "032x") in transport.seen["traceparent"]
assert bad.attributes["error.type"] == "ModelError" and not bad.status.is_ok
assert streamed.name == "infer m" and streamed.status.is_unset
figures = {
    metric.name: metric for resource in reader.get_metrics_data().resource_metrics
    for scope in resource.scope_metrics for metric in scope.metrics
}
assert sum(point.count for point in figures["triton.client.duration"].data.data_points) == 3
assert sum(point.value for point in figures["triton.client.attempts"].data.data_points) == 4
(rejected,) = figures["triton.client.rejections"].data.data_points
assert rejected.value == 1 and dict(rejected.attributes)["triton.model"] == "m"
"""

WITHOUT = """
import sys
import opentelemetry.trace
from clients import Client
from clients.testing import FakeModel, FakeTransport
from clients.telemetry import find_telemetry
assert find_telemetry() is None and not [name for name in sys.modules if "opentelemetry.sdk" in name]
"""


def test_spans_and_figures() -> None:
    # In a process of its own: a tracer provider can be set once.
    done = subprocess.run([sys.executable, "-c", CODE], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_api_alone_makes_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
