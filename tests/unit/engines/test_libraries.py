"""Versions of TensorRT, and when to refuse."""

import ctypes
import importlib.util
from pathlib import Path

import pytest

from builder.engines.libraries import (
    BuilderTool,
    banner_version,
    exact_version,
    find_builder,
    library_version,
    require_same_version,
)
from tritonkit.spec.errors import ConflictError, UnavailableError

has_rtx = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="TensorRT-RTX is not installed (tensorrt-rtx-cu13)"
)


@pytest.mark.parametrize(
    ("banner", "version"),
    [
        ("&&&& RUNNING TensorRT.trtexec [TensorRT v101401] [b48] # trtexec --help", "10.14.1.48"),
        ("&&&& RUNNING TensorRT.trtexec [TensorRT v100300] # trtexec --help", "10.3.0"),
        ("&&&& RUNNING TensorRT.trtexec [TensorRT v8601] # trtexec --help", "8.6.1"),
    ],
)
def test_the_version_in_the_banner_of_trtexec(banner, version):
    assert banner_version(banner, Path("trtexec")) == version


def test_a_banner_without_a_version():
    with pytest.raises(UnavailableError, match="does not say its version"):
        banner_version("usage: something else", Path("trtexec"))


def test_a_post_release_builds_the_same_engines():
    assert exact_version("10.14.1.48.post1") == "10.14.1.48"


def tool(version):
    return BuilderTool(library="tensorrt", version=version)


@pytest.mark.parametrize(("built", "served"), [("10.14.1.48", "10.14.1.48.post1"), ("10.14.1", "10.14.1.48")])
def test_the_same_version_is_taken(built, served):
    require_same_version(tool(built), served)


@pytest.mark.parametrize(("built", "served"), [("10.14.1.48", "10.14.1.47"), ("10.13.3", "10.14.1.48"), ("10", "10")])
def test_a_version_that_differs_in_its_last_number_is_refused(built, served):
    with pytest.raises(ConflictError, match=f"got TensorRT {built}.*expected TensorRT {served}"):
        require_same_version(tool(built), served)


def test_nobody_knows_what_will_load_the_engines():
    with pytest.raises(UnavailableError, match="--serving-tensorrt"):
        require_same_version(tool("10.14.1.48"), None)


@has_rtx
def test_the_shared_library_and_the_module_tell_one_version():
    folder = importlib.util.find_spec("tensorrt_rtx_libs").submodule_search_locations[0]
    (file,) = Path(folder).glob("libtensorrt_rtx.so*")
    assert library_version(ctypes.CDLL(str(file))) == find_builder("tensorrt_rtx").version


@pytest.mark.skipif(importlib.util.find_spec("tensorrt") is not None, reason="TensorRT is installed here")
def test_what_to_install_is_said(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UnavailableError, match="Python module tensorrt, or trtexec"):
        find_builder("tensorrt")
