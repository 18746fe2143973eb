"""A cache of its own for every test run, so that builds are really built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.toy_classifier import write_toy
from tritonkit.server import ensure_environment
from tritonkit.spec.cache_root import cache_root

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory):
    """A cache root without stages; the server's environment, which takes minutes to install, and data sets are shared."""
    environment = ensure_environment()
    root = tmp_path_factory.mktemp("cache")
    (root / "server").symlink_to(environment.root.parent)
    datasets = cache_root() / "datasets"
    datasets.mkdir(parents=True, exist_ok=True)
    (root / "datasets").symlink_to(datasets)
    return root


@pytest.fixture(autouse=True)
def own_cache(session_cache, monkeypatch):
    monkeypatch.setenv("TRITONKIT_CACHE", str(session_cache))
    return session_cache


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy"))
