"""The verdict, the parity tables, the words for figures."""

from __future__ import annotations

import math

import pytest

from tritonkit.report.parity_view import view_variants
from tritonkit.report.verdict import judge
from tritonkit.report.wording import allowed, moment, parameters, scientific, seconds, used
from tritonkit.spec.model import Tolerance


def with_variants(build, **changes):
    """The build with its served variant changed."""
    first, *rest = build.variants
    return build.model_copy(update={"variants": (first.model_copy(update=changes), *rest)})


class TestVerdict:
    def test_passed(self, build):
        verdict = judge(build)
        assert verdict.passed
        assert verdict.comparisons == 27
        assert verdict.worst_used == pytest.approx(0.42)

    def test_another_variant_that_fails_is_named_but_does_not_stop_this_one(self, build):
        verdict = judge(build)
        assert verdict.rejected == ("int8",)
        assert [(one.variant, one.worst.level) for one in verdict.failures] == [("int8", "artefact")]

    def test_never_served_is_failed(self, build):
        assert judge(with_variants(build, served=None)).headline == "The served answers were never compared."

    def test_served_without_any_comparison_is_failed(self, build):
        served = build.variants[0].served.model_copy(update={"comparisons": ()})
        assert not judge(with_variants(build, served=served)).passed

    def test_the_artefact_is_told_before_what_follows_from_it(self, failed_build):
        artefact = failed_build.variants[0].artefact.model_copy(update={"passed": False})
        assert judge(with_variants(failed_build, artefact=artefact)).headline.startswith("The converted model")

    def test_one_failed_comparison_outweighs_a_report_that_says_passed(self, failed_build):
        served = failed_build.variants[0].served.model_copy(update={"passed": True})
        assert not judge(with_variants(failed_build, served=served)).passed

    def test_a_variant_that_is_not_there(self, build):
        assert not judge(build.model_copy(update={"variant": "fp16"})).passed

    def test_one_cause_is_told_once_by_its_worst(self, failed_build):
        (failure,) = judge(failed_build).failures
        assert (len(failure.comparisons), failure.compared) == (2, 6)
        assert failure.worst.output == "label"


class TestTables:
    def test_the_served_variant_comes_first(self, build):
        turned = build.model_copy(update={"variants": build.variants[::-1]})
        assert [view.result.name for view in view_variants(turned)] == ["fp32", "int8"]

    def test_a_table_for_each_level_in_the_order_of_the_pipeline(self, build):
        served, other = view_variants(build)
        assert [table.level for table in served.levels] == ["artefact", "preprocess", "served", "end_to_end"]
        assert [table.level for table in other.levels] == ["artefact"]
        assert (served.state, other.state) == ("passed", "failed")

    def test_unserved_is_not_passed(self, build):
        assert view_variants(with_variants(build, served=None))[0].state == "unserved"

    def test_every_comparison_is_in_exactly_one_row(self, failed_build):
        for table in view_variants(failed_build)[0].levels:
            cells = [
                (row.found.output, protocol, batch)
                for row in table.rows
                for protocol in row.protocols
                for batch in row.batches
            ]
            assert sorted(cells) == sorted((one.output, one.protocol, one.batch) for one in table.comparisons)

    def test_equal_findings_are_put_together(self, build):
        table = view_variants(build)[0].levels[3]
        label = [row for row in table.rows if row.found.output == "label"]
        assert [row.batches for row in label] == [(1,), (2, 32)]  # the first is about another sample
        assert all(row.protocols == ("grpc", "http") for row in table.rows)

    def test_a_failure_is_not_put_together_with_what_passed(self, failed_build):
        table = view_variants(failed_build)[0].levels[3]
        (failed,) = [row for row in table.rows if not row.found.passed]
        assert (failed.protocols, failed.batches) == (("grpc", "http"), (32,))
        assert table.failed == 2


class TestWords:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (0, "0"),
            (0.042, "0.042"),
            (3.14e-6, "3.1\N{MULTIPLICATION SIGN}10⁻⁶"),
            (1.5e12, "1.5\N{MULTIPLICATION SIGN}10¹²"),
            (math.inf, "∞"),
            (math.nan, "not a number"),
        ],
    )
    def test_scientific(self, value, text):
        assert scientific(value) == text

    @pytest.mark.parametrize(
        ("value", "text"), [(0.0714, "71.4 ms"), (4.25, "4.25 s"), (59.9, "59.9 s"), (125, "2 min 05 s")]
    )
    def test_seconds(self, value, text):
        assert seconds(value) == text

    @pytest.mark.parametrize(
        ("value", "text"), [(4_652_008, "4.65 million"), (1_300_000_000, "1.3 billion"), (812, "812")]
    )
    def test_parameters(self, value, text):
        assert parameters(value) == text

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("2026-11-24T14:03:21+00:00", "2026-11-24 14:03 UTC"),
            ("2026-11-24T14:03:21+02:00", "2026-11-24 12:03 UTC"),
            ("2026-11-24T14:03:21", "2026-11-24T14:03:21"),
            ("yesterday", "yesterday"),
        ],
    )
    def test_moment(self, text, told):
        assert moment(text) == told

    def test_allowed(self):
        assert allowed(None) == "exactly equal"
        assert allowed(Tolerance(absolute=0.01, relative=0)) == "within 0.01"
        assert allowed(Tolerance(absolute=0.01, relative=0.1, cosine=0.99)) == (
            "within 0.01 + 0.1 of the reference, cosine at least 0.99"
        )

    def test_used(self, failed_build):
        rows = {one.output: one for one in failed_build.variants[0].served.comparisons if one.batch == 32}
        assert used(rows["label"]) == "differs"
        assert used(rows["label"].model_copy(update={"used": 0.0})) == "equal"
        assert used(rows["image"]) == "42 %"
