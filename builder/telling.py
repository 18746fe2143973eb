"""What a finished stage says in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from builder import stages
    from tritonkit.spec.parity import ParityReport
    from tritonkit.spec.skew import SkewReport


def tell_capture(result: stages.CaptureResult) -> str:
    """How large the network is, and how much it was asked."""
    if not result.parameters and not result.opset:
        return f"{result.requests} requests answered by your own function"
    return (
        f"{f'{result.parameters / 1e6:.2f} M' if result.parameters >= 10_000 else result.parameters} parameters, "
        f"{f'opset {result.opset}' if result.opset else 'not exported to ONNX'}; "
        f"{result.rows} tensors and {result.requests} requests answered by the original weights"
    )


def tell_convert(result: stages.ConvertResult) -> str:
    """How large the file is, and what optimisation did to it."""
    size = f"{result.bytes / 1e6:.1f} MB"
    done = result.optimisation
    if done is None:
        return size
    kept = f"; {len(done.kept)} nodes stay in FP32" if done.kept else ""
    agrees = f"; {done.agreement:.1%} of other samples as in full precision" if done.agreement is not None else ""
    return f"{size}; {done.nodes_before} -> {done.nodes_after} operators{kept}{agrees}"


def tell_accuracy(result: stages.AccuracyResult) -> str:
    """How many labelled samples were answered rightly."""
    return f"{result.right / result.samples:.2%} of {result.samples:,} labelled samples: {result.source}"


def tell_time(result: stages.TimeResult) -> str:
    """How fast, beside full precision."""
    return "; ".join(
        f"batch {one.batch}: {one.milliseconds:.1f} ms, x{one.ratio:.2f} of full precision" for one in result.timings
    )


def tell_assemble(result: stages.AssembleResult) -> str:
    """The parts of the repository."""
    return ", ".join(part.name for part in result.parts)


def tell_parity(report: ParityReport) -> str:
    """How many comparisons held, and how closely; or the first that failed."""
    count = len(report.comparisons)
    if (failed := report.first_problem()) is not None:
        return f"FAILED: {failed.level}, {failed.output}: {failed.problem}"
    closest = max(report.comparisons, key=lambda comparison: comparison.used)
    left_out = "".join(f"; {protocol.upper()}: {why}" for protocol, why in report.not_offered.items())
    return f"{count} of {count} comparisons equal; the closest used {closest.used:.1%} of its allowance{left_out}"


def tell_skew(report: SkewReport) -> str:
    """How far the served preprocessing lies from that of the evaluation."""
    return (
        f"{'' if report.passed() else 'FAILED: '}{report.samples:,} pictures, {report.equal:,} of them equal; "
        f"at most {report.pixel.max:.2g} of 255 off, the answers {report.logit.max:.2g}"
    )
