"""A cache of its own for every test run, so that builds are really built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.toy_classifier import write_toy
from tritonkit.server import ensure_environment

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory):
    """A cache root without stages; the server's environment, which takes minutes to install, is shared."""
    environment = ensure_environment()
    root = tmp_path_factory.mktemp("cache")
    (root / "server").symlink_to(environment.root.parent)
    return root


@pytest.fixture(autouse=True)
def own_cache(session_cache, monkeypatch):
    monkeypatch.setenv("TRITONKIT_CACHE", str(session_cache))
    return session_cache


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy"))
