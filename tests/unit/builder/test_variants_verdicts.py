"""Verdicts: refused with both figures, and speed judged only where it was measured."""

from builder.variants.verdicts import judge
from tritonkit.spec.gates import AccuracyGate
from tritonkit.spec.verdicts import Accuracy, Timing, VariantFigures

GATE = AccuracyGate(max_drop_points=0.5, min_agreement=0.95)
LAPTOP, GPU = "laptop, 1 thread", "NVIDIA H100"


def figures(**changes):
    fields = {"variant": "int8", "precision": "int8", "hardware": LAPTOP, "megabytes": 11.2, "parity": True}
    return VariantFigures.model_validate(fields | changes)


def timing(ratio, *, hardware=LAPTOP, batch=1, spread=0.1):
    return Timing(
        hardware=hardware,
        batch=batch,
        milliseconds=10 / ratio,
        baseline_milliseconds=10,
        ratio=ratio,
        low=ratio - spread,
        high=ratio + spread,
    )


def accuracy(drop):
    return Accuracy(
        source="test",
        measured="in process",
        samples=10_000,
        accuracy=0.92,
        accuracy_low=0.914,
        accuracy_high=0.925,
        drop_points=drop,
        low=drop - 0.2,
        high=drop + 0.2,
    )


def test_faster_and_as_good_is_accepted():
    verdict = judge(figures(accuracy=accuracy(0.1), timings=(timing(3.6),)), GATE, batch=1)
    assert verdict.accepted
    assert verdict.reasons == ()


def test_slower_is_refused_with_both_figures():
    verdict = judge(figures(timings=(timing(0.5),)), GATE, batch=1)
    assert not verdict.accepted
    assert verdict.reasons == ("slower at batch 1 on laptop, 1 thread: 20.00 ms, fp32 10.00 ms",)


def test_slower_at_another_batch_is_not():
    assert judge(figures(timings=(timing(0.5, batch=8), timing(2.0))), GATE, batch=1).accepted


def test_what_noise_could_explain_refuses_nobody():
    assert judge(figures(timings=(timing(0.95),)), GATE, batch=1).accepted


def test_a_variant_for_a_gpu_is_not_judged_by_a_laptop():
    verdict = judge(figures(variant="fp16", precision="fp16", hardware=GPU, timings=(timing(0.2),)), GATE, batch=1)
    assert verdict.accepted
    assert verdict.reasons == (f"speed not judged here: {GPU}",)
    measured = (timing(0.2), timing(0.9, hardware=GPU, spread=0.01))
    refused = judge(figures(hardware=GPU, timings=measured), GATE, batch=1)
    assert not refused.accepted
    assert GPU in refused.reasons[0]


def test_too_large_a_drop_is_refused_with_both_figures():
    verdict = judge(figures(accuracy=accuracy(0.8), timings=(timing(4.0),)), GATE, batch=1)
    assert verdict.reasons == (
        "accuracy 92.00 %, 0.80 points (0.60 to 1.00) below 92.80 % of fp32; at most 0.5 are allowed",
    )


def test_without_labels_agreement_counts():
    refused = judge(figures(agreement=0.93, timings=(timing(4.0),)), GATE, batch=1)
    assert refused.reasons == ("agreement with fp32 93.00%; at least 95.00% is required",)


def test_parity_comes_first():
    verdict = judge(figures(parity=False, timings=(timing(0.5),)), GATE, batch=1)
    assert [reason.split()[0] for reason in verdict.reasons] == ["parity:", "slower"]
