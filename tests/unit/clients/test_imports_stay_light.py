"""What `import clients` costs, and that the folder works under another name."""

from __future__ import annotations

import ast
import json
import statistics
import subprocess
import sys
from pathlib import Path

import clients

ROOT = Path(clients.__file__).parent
HEAVY = {"asyncio", "grpc", "tritonclient", "aiohttp", "gevent", "google.protobuf", "opentelemetry", "multiprocessing"}


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT.parent, check=True, capture_output=True, text=True
    ).stdout


def test_nothing_heavier_than_numpy_is_imported() -> None:
    loaded = json.loads(python("import json, sys, clients; print(json.dumps(sorted(sys.modules)))"))
    assert not HEAVY & set(loaded)


def test_one_protocol_does_not_import_the_other() -> None:
    code = "import sys; from clients import Client; Client('{}'); print([m for m in {} if m in sys.modules])"
    assert python(code.format("http://h", ["grpc", "tritonclient", "gevent", "aiohttp"])).strip() == "[]"
    assert python(code.format("grpc://h", ["aiohttp", "gevent"])).strip() == "[]"


def test_import_costs_less_than_twice_that_of_numpy() -> None:
    # A ratio taken in one run, of the main thread's time: neither the machine's speed nor the tests' own neighbours
    # count. On an idle core of 2026 it is 0.15 s against numpy's 0.1 s.
    code = "import time; began = time.thread_time(); import {}; print(time.thread_time() - began)"
    pairs = [(float(python(code.format("clients"))), float(python(code.format("numpy")))) for _ in range(7)]
    ours, numpys = (statistics.median(column) for column in zip(*pairs, strict=True))
    assert ours < 2 * numpys, pairs


def test_every_import_of_our_own_is_relative() -> None:
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            assert not [name for name in names if name.split(".")[0] in ("clients", "tritonkit")], path


def test_the_door_shows_what_it_lists() -> None:
    for name in clients.__all__:
        assert getattr(clients, name)
    shown = {name for name, value in vars(clients).items() if not name.startswith("_") and not _is_module(value)} - {
        "TYPE_CHECKING"
    }
    assert set(clients.__all__) == shown


def _is_module(value: object) -> bool:
    return type(value).__name__ == "module"
