"""Directory names and strings, read as C++ reads them."""

from __future__ import annotations

import pytest

from tritonkit.repository.config import parse_config
from tritonkit.repository.lint.numbers_in_text import is_truth_value, read_int
from tritonkit.repository.lint.versions import read_versions


def versions(names, policy=""):
    return read_versions(names, parse_config(policy, where="test"))


def test_names_are_versions_by_the_digits_that_they_begin_with():
    found = versions(["1", "2.tmp", "+3", " 4", "-5", "0", "x6", ".7", "٣"])
    assert found.present == {"1": 1, "2.tmp": 2, "+3": 3, " 4": 4, "-5": -5, "0": 0}
    assert found.ignored == ("x6", ".7", "٣")


def test_leading_zeros_are_ignored_and_reserved_names_are_no_versions():
    found = versions(["01", "0", "0x2", "configs", "warmup", "initial_state"])
    assert found.present == {"0": 0}
    assert found.ignored == ("01", "0x2")


@pytest.mark.parametrize(("name", "overflows"), [("9223372036854775807", False), ("9223372036854775808", True)])
def test_64_bits_are_the_limit(name, overflows):
    assert bool(versions([name]).overflowing) == overflows


@pytest.mark.parametrize(
    ("policy", "chosen"),
    [
        ("", (10,)),
        ("version_policy { latest { num_versions: 2 } }", (10, 9)),
        ("version_policy { latest { } }", ()),
        ("version_policy { all { } }", (10, 9, 1)),
        ("version_policy { }", (10, 9, 1)),
        ("version_policy { specific { versions: [ 1, 7 ] } }", (1,)),
    ],
)
def test_the_policy_chooses_by_number_not_by_name(policy, chosen):
    assert versions(["1", "10", "9"], policy).chosen == chosen


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        (" 1", 1),
        ("+1", 1),
        ("1abc", 1),
        ("1.9", 1),
        ("0x10", 0),
        ("-3", -3),
        ("2147483647", 2**31 - 1),
        ("2147483648", "overflow"),
        ("-2147483649", "overflow"),
        ("two", "invalid"),
        ("", "invalid"),
        ("-", "invalid"),
        ("- 1", "invalid"),
    ],
)
def test_numbers_are_read_as_stoi_reads_them(text, number):
    assert read_int(text) == number


def test_truth_values_are_of_any_case():
    assert all(map(is_truth_value, ["true", "TRUE", "On", "1", "off", "False", "0"]))
    assert not any(map(is_truth_value, ["yes", "", "2", " 1", "t"]))
