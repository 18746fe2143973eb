"""Files and functions that a document names: beside it, or inside an installed package."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tritonkit.spec.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE_SCHEME = "package:"


def find_file(reference: str, folder: Path, key: str) -> Path:
    """The file that `reference` names.

    Args:
        reference: a path relative to `folder`, or `package:NAME/PATH` inside an installed package, which is found
            without importing it.
        folder: where the document lies.
        key: the key of the document, for the error.

    Raises:
        InputError: there is no such package or file.
    """
    if reference.startswith(PACKAGE_SCHEME):
        package, _, inner = reference.removeprefix(PACKAGE_SCHEME).partition("/")
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise InputError(
                f"{key}: the package is not installed", where=folder, got=package, hint="pip install what carries it"
            )
        path = Path(spec.submodule_search_locations[0]) / inner
    else:
        path = folder / reference
    if not path.is_file():
        raise InputError(
            f"{key}: there is no such file", where=path, hint="paths are relative to the document that names them"
        )
    return path


def find_function(reference: str, folder: Path, key: str) -> Callable[..., Any]:
    """Imports the function `module:name`; a module beside the document comes before an installed one.

    Raises:
        InputError: the module does not import, or has no such function.
    """
    module_name, _, name = reference.partition(":")
    _look_first_in(folder, module_name)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever the user's module raises is about it
        raise InputError(
            f"{key}: the module does not import",
            where=folder,
            got=f"{module_name}: {type(error).__name__}: {error}",
            hint="its file belongs beside the document that names it, what it imports into this environment",
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        public = [item for item in vars(module) if not item.startswith("_") and callable(getattr(module, item))]
        raise InputError(
            f"{key}: the module has no such function",
            where=module.__file__,
            got=name,
            expected=f"one of {', '.join(sorted(public))}" if public else "a function",
        )
    return function  # type: ignore[no-any-return]  # a user's function: its types are what parity proves


def _look_first_in(folder: Path, module_name: str) -> None:
    """Lets a module beside the document win: over installed ones, and over one of its name beside another document."""
    place = str(folder.absolute())
    if place in sys.path:
        sys.path.remove(place)
    sys.path.insert(0, place)
    loaded = sys.modules.get(module_name)
    beside = folder.absolute().joinpath(*module_name.split(".")).with_suffix(".py")
    if loaded is not None and beside.is_file() and Path(loaded.__file__ or "") != beside:
        del sys.modules[module_name]
        importlib.invalidate_caches()
