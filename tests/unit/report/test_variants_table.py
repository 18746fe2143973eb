"""The variants of a build, side by side: for a terminal, and on the page with the curves of what INT8 costs."""

import pytest

from tests.unit.report.conftest import make_build, variant_result
from tests.unit.report.test_in_a_browser import CHROMIUM, look
from tritonkit.commands import console
from tritonkit.commands.build import show
from tritonkit.report import draw_report
from tritonkit.report.variants_view import table_cells, view_table
from tritonkit.spec.verdicts import (
    Accuracy,
    KeptNode,
    LayerNoise,
    MixedPoint,
    Optimisation,
    Timing,
    VariantFigures,
    Verdict,
)

HERE = "A laptop (avx2, 1 thread)"


def accuracy(part: float, drop: float) -> Accuracy:
    return Accuracy(
        source="Fashion-MNIST, the whole test split",
        measured="in process, onnxruntime 1.27.0",
        samples=10_000,
        accuracy=part,
        accuracy_low=part - 0.005,
        accuracy_high=part + 0.005,
        drop_points=drop,
        low=drop - 0.2,
        high=drop + 0.2,
    )


def timing(batch: int, milliseconds: float, baseline: float) -> Timing:
    ratio = baseline / milliseconds
    return Timing(
        hardware=HERE,
        batch=batch,
        milliseconds=milliseconds,
        baseline_milliseconds=baseline,
        ratio=ratio,
        low=0.97 * ratio,
        high=1.03 * ratio,
    )


def judged(name, precision, *, accepted=True, reasons=(), timings=(), cost=None, agreement=None, **changes):
    figures = VariantFigures(
        variant=name,
        precision=precision,
        hardware=HERE,
        megabytes=5.0,
        parity=True,
        accuracy=cost,
        agreement=agreement,
        timings=timings,
    )
    update = {
        "name": name,
        "precision": precision,
        "verdict": Verdict(figures=figures, accepted=accepted, reasons=reasons),
        "refused": None if accepted else f"{name}: it does not pay",
        "accuracy_drop_points": cost.drop_points if cost else None,
    }
    return variant_result("fp32").model_copy(update=update | changes)


LAYERS = tuple(LayerNoise(node=f"conv_{i}", operator="Conv", noise=0.29 / 1.9**i) for i in range(20))
DONE = Optimisation(
    nodes_before=60,
    nodes_after=50,
    kept=(KeptNode(node="conv_0", operator="Conv", reason="sensitive"),),
    calibration="500 samples of training pictures, entropy",
    layers=LAYERS,
    mixed=tuple(MixedPoint(kept=kept, agreement=0.775 + 0.06 * kept) for kept in range(4)),
    agreement=0.955,
)


@pytest.fixture
def of_all_kinds():
    """Full precision; INT8 that costs too much; FP16 for a GPU; one that does not convert."""
    lost = "accuracy 91.40 %, 0.80 points (0.60 to 1.00) below 92.20 % of fp32; at most 0.5 are allowed"
    return make_build(
        variants=(
            judged("fp32", "fp32", cost=accuracy(0.922, 0.0)),
            judged("int8", "int8", accepted=False, reasons=(lost,), cost=accuracy(0.914, 0.8),
                   timings=(timing(1, 4.1, 8.2), timing(16, 60.0, 120.0)), agreement=0.955, optimisation=DONE),
            judged("fp16", "fp16", reasons=("speed not judged here: a GPU",), cost=accuracy(0.922, 0.0)),
            variant_result("fp32").model_copy(
                update={"name": "broken", "artefact": None, "served": None, "megabytes": None,
                        "refused": "the calibration source ends too soon\n  got 20 samples"}
            ),
        )
    )  # fmt: skip


def test_a_terminal_gets_one_aligned_table(of_all_kinds):
    header, rows = table_cells(view_table(of_all_kinds))
    assert header[-3:] == ("ms, batch 1", "ms, batch 16", "verdict")
    by_name = {row[0]: row for row in rows}
    assert list(by_name) == ["fp32", "int8", "fp16", "broken"]
    assert by_name["fp32"][4:8] == ("92.20 % (91.70-92.70)", "-", "8.20", "120")
    assert by_name["int8"][5:8] == ("+0.80 (+0.60 to +1.00)", "4.10 (x2.00)", "60.0 (x2.00)")
    assert by_name["int8"][-1].startswith("refused: accuracy 91.40 %, 0.80 points")
    assert by_name["fp16"][6:] == ("-", "-", "accepted: speed not judged here: a GPU")
    assert by_name["broken"][2:4] == ("-", "-")
    assert by_name["broken"][-1] == "refused: the calibration source ends too soon"
    lines = console.table(header, rows).splitlines()
    assert len({line.index(cell) for line, cell in zip(lines[1:], ("yes", "yes", "yes"), strict=False)}) == 1


def test_the_command_says_what_was_measured_on_what(of_all_kinds, capsys):
    show(view_table(of_all_kinds))
    printed = capsys.readouterr().out
    assert "variant  precision" in printed
    assert "accuracy: Fashion-MNIST, the whole test split: 10,000 samples, in process, onnxruntime 1.27.0" in printed
    assert f"ms: median in process, beside fp32 in one run, on {HERE}" in printed


def test_the_page_has_the_table_and_the_curves(of_all_kinds):
    html = draw_report(of_all_kinds, load=None, answers=(), pictures={}, commands=())
    assert "Fashion-MNIST, the whole test split: 10,000 samples, in process, onnxruntime 1.27.0" in html
    assert "0.80 points (0.60 to 1.00) below 92.20 % of fp32" in html
    assert "2.00\N{MULTIPLICATION SIGN} (1.94\N{EN DASH}2.06)" in html
    assert "Signal to noise by layer, 20 layers, the most sensitive first: from 5.4 dB, conv_0, to 58.3 dB" in html
    assert "Agreement with full precision from 77.5 % with no layer in float to 95.5 % with 3" in html
    assert HERE in html


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed to look at the page with")
def test_it_fits_on_a_phone(tmp_path, of_all_kinds):
    page = draw_report(of_all_kinds, load=None, answers=(), pictures={}, commands=())
    found, complaints = look(tmp_path, page, 375)
    assert found[0] == "document 375"
    assert [line for line in found if line.startswith("wide")] == []
    assert complaints == ""


def test_a_build_of_one_variant_has_no_such_section():
    html = draw_report(make_build(variants=(variant_result("fp32"),)), load=None, answers=(), pictures={}, commands=())
    assert 'id="variants"' not in html
    assert 'href="#variants"' not in html
