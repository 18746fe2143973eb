"""Errors say five things in one line and survive the way from a child process."""

from pathlib import Path

import pytest

from tritonkit.spec import errors
from tritonkit.spec.ngc import RELEASES, release


def test_an_error_is_one_line_with_all_that_it_knows():
    error = errors.InputError(
        "it failed", where="file:3", got="a\nb", expected="c", hint="do this", log_path=Path("log.txt")
    )
    assert str(error) == "file:3: it failed; got a b; expected c; do this; full log: log.txt"


@pytest.mark.parametrize("kind", [errors.KitError, errors.GateError, errors.InputError, errors.ConflictError])
def test_an_error_survives_json(kind):
    error = kind("what", where="where", got=3, expected=[4], hint="hint", log_path=Path("log"))
    again = errors.from_dict(error.as_dict())
    assert type(again) is kind
    assert str(again) == str(error)


def test_releases_are_in_order_and_found():
    keys = [entry.key for entry in RELEASES]
    assert keys == sorted(keys)
    assert release("26.07").onnxruntime == "1.27.0"
    with pytest.raises(errors.InputError, match=r"did you mean 26\.07\?"):
        release("26.7")
