"""Which models a repository serves by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tritonkit.server.served import served_models
from tritonkit.server.watchdog import _model_of
from tritonkit.spec.cache_root import cache_root
from tritonkit.spec.errors import InputError

ENSEMBLE = 'platform: "ensemble"\nensemble_scheduling {{ step {{ model_name: "{part}" }} }}\n'


def _model(repository, name: str, config: str = "", *, kit: bool = False) -> None:
    (repository / name / "1").mkdir(parents=True)
    (repository / name / "config.pbtxt").write_text(config)
    if kit:
        (repository / name / "1" / "published.json").write_text("{}")


def test_a_plain_repository_serves_all_that_nobody_calls(tmp_path) -> None:
    _model(tmp_path, "part")
    _model(tmp_path, "alone")
    _model(tmp_path, "whole", ENSEMBLE.format(part="part"))
    served = served_models(tmp_path)
    assert served.names == ("alone", "whole")
    assert served.everything
    assert not served.built_by_kit


def test_parts_that_no_ensemble_of_the_kit_calls_any_more_are_not_served(tmp_path) -> None:
    _model(tmp_path, "net", ENSEMBLE.format(part="net_fp32_bbbbbb"), kit=True)
    _model(tmp_path, "net_fp32_bbbbbb")
    _model(tmp_path, "net_fp32_aaaaaa")
    served = served_models(tmp_path)
    assert (served.names, served.everything, served.built_by_kit) == (("net",), False, True)
    _model(tmp_path, "of_the_users")
    served = served_models(tmp_path)
    assert (served.names, served.built_by_kit) == (("net", "of_the_users"), False)


def test_a_configuration_that_does_not_parse_is_the_servers_to_report(tmp_path) -> None:
    _model(tmp_path, "broken", "ensemble_scheduling { step {")
    assert served_models(tmp_path).names == ("broken",)


@pytest.mark.parametrize("content", ["absent", "empty", "a file"])
def test_no_repository_is_one_clear_line(tmp_path, content: str) -> None:
    repository = tmp_path / "r"
    if content == "empty":
        repository.mkdir()
    elif content == "a file":
        repository.write_text("")
    with pytest.raises(InputError, match="this model repository"):
        served_models(repository)


def test_a_stub_tells_its_model_by_its_file() -> None:
    assert _model_of(Path("/r/net/12/model.py")) == "net"
    assert _model_of(Path("/2024/net/3/model.onnx/model.onnx")) == "net"


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("TRITONKIT_CACHE", str(tmp_path / "own"))
    assert cache_root() == tmp_path / "own"
    monkeypatch.delenv("TRITONKIT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root() == tmp_path / "tritonkit"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_root() == Path.home() / ".cache" / "tritonkit"
