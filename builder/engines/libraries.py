"""Which TensorRT is here: what builds engines, and what the Triton of this image will load them with."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.engines.records import LIBRARY_TITLES
from tritonkit.spec.errors import ConflictError, UnavailableError

if TYPE_CHECKING:
    from builder.engines.records import Library

_TRTEXEC_PLACES = ("/usr/src/tensorrt/bin/trtexec", "/opt/tensorrt/bin/trtexec")
_SERVING_LIBRARIES = ("libnvinfer.so.11", "libnvinfer.so.10", "libnvinfer.so.9", "libnvinfer.so.8")
_BANNER = re.compile(r"\[TensorRT v(?P<version>\d{4,6})\](?: \[b(?P<build>\d+)\])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderTool:
    """Something that builds engines.

    Attributes:
        library: whose engines.
        version: exact version of the library.
        trtexec: the program, where it is that and not the Python module.
    """

    library: Library
    version: str
    trtexec: Path | None = None

    @property
    def title(self) -> str:
        """Library and version, for people."""
        return f"{LIBRARY_TITLES[self.library]} {self.version}"


def find_builder(library: Library) -> BuilderTool:
    """The Python module of `library`; for TensorRT else trtexec.

    Raises:
        UnavailableError: neither is here.
    """
    if importlib.util.find_spec(library) is not None:
        return BuilderTool(library=library, version=exact_version(load_library(library).__version__))
    if library == "tensorrt" and (program := _find_trtexec()) is not None:
        return BuilderTool(library=library, version=trtexec_version(program), trtexec=program)
    package = "tensorrt" if library == "tensorrt" else "tensorrt-rtx-cu13"
    raise UnavailableError(
        f"{LIBRARY_TITLES[library]} is not here",
        expected=f"the Python module {library}" + (", or trtexec" if library == "tensorrt" else ""),
        hint=f"pip install {package} in the version of the serving image, or run this inside that image",
    )


def load_library(library: Library) -> Any:
    """The Python module of `library`.

    Raises:
        UnavailableError: it is not installed, or its shared libraries do not load.
    """
    try:
        return importlib.import_module(library)
    except (ImportError, OSError) as error:
        raise UnavailableError(f"the Python module {library} does not load", got=error) from None


def serving_version() -> str | None:
    """The version of the libnvinfer that a Triton in this image would load; `None` where there is none."""
    for name in _SERVING_LIBRARIES:
        try:
            return library_version(ctypes.CDLL(name))
        except OSError:
            continue
    return None


def library_version(library: ctypes.CDLL) -> str:
    """The version that a loaded libnvinfer, or TensorRT-RTX's library, says that it has."""
    version = int(library.getInferLibVersion())
    build = int(library.getInferLibBuildVersion()) if hasattr(library, "getInferLibBuildVersion") else None
    return _joined(version, build)


def require_same_version(tool: BuilderTool, serving: str | None) -> None:
    """Refuses to build what the serving image could not load.

    Args:
        tool: what would build.
        serving: version of the TensorRT that will load the engine; `None` where nobody knows, which is refused too.

    Raises:
        ConflictError: the versions differ, be it in the last number.
        UnavailableError: there is no TensorRT to serve with.
    """
    if serving is None:
        raise UnavailableError(
            "nobody says which TensorRT will load the engines",
            where="libnvinfer",
            expected="the library of the serving image",
            hint="run this inside the serving image, or say --serving-tensorrt VERSION",
        )
    wanted, found = exact_version(serving), tool.version
    # trtexec and libraries before 10 do not tell the build number: then the three that are told must agree.
    count = min(len(wanted.split(".")), len(found.split(".")))
    if wanted.split(".")[:count] != found.split(".")[:count] or count < 3:
        raise ConflictError(
            "this TensorRT builds engines that the serving image refuses",
            got=f"TensorRT {found}",
            expected=f"TensorRT {wanted}, the one that will load them",
            hint="build with the serving image itself: image flavours of one month differ",
        )


def exact_version(text: str) -> str:
    """The numbers of a version: `10.14.1.48` of `10.14.1.48.post1`."""
    return ".".join(re.findall(r"\d+", text.partition(".post")[0])[:4])


def trtexec_version(program: Path) -> str:
    """The version in the banner that trtexec prints before anything else.

    Raises:
        UnavailableError: it does not start, or prints no version.
    """
    try:
        done = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError("trtexec does not start", where=program, got=error) from None
    return banner_version(done.stdout + done.stderr, program)


def banner_version(text: str, program: Path) -> str:
    """The version in trtexec's banner `&&&& RUNNING TensorRT.trtexec [TensorRT v101401] [b48]`.

    Raises:
        UnavailableError: there is none.
    """
    match = _BANNER.search(text)
    if match is None:
        raise UnavailableError("trtexec does not say its version", where=program, got=text[:80])
    build = int(match["build"]) if match["build"] else None
    return _joined(int(match["version"]), build)


def _joined(version: int, build: int | None) -> str:
    """TensorRT counts major * 10000 + minor * 100 + patch; before 10 it was major * 1000 (NvInferVersion.h)."""
    base = 10_000 if version >= 10_000 else 1000
    numbers = [version // base, version % base // 100, version % 100]
    return ".".join(map(str, numbers if build is None else [*numbers, build]))


def _find_trtexec() -> Path | None:
    found = shutil.which("trtexec")
    places = [Path(found)] if found else [Path(place) for place in _TRTEXEC_PLACES]
    return next((place for place in places if place.is_file()), None)
