"""Runs in the server's Python: picture bytes -> labels without a server, by the very steps that the server runs.

    python in_process_chain.py '{"preprocess": FOLDER, "model": PATH, "postprocess": FOLDER, "pictures": [PATH...]}'

The folders are the version folders of the ensemble's parts. One picture at a time, in one process and one thread.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import sys
import time
import types
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime


def main() -> None:
    """Works for as many seconds as each line of standard input says."""
    arguments = json.loads(sys.argv[1])
    # The steps import Triton's own module, of which the functions that are called here use nothing.
    sys.modules["triton_python_backend_utils"] = types.ModuleType("triton_python_backend_utils")
    classify = _chain(Path(arguments["preprocess"]), arguments["model"], Path(arguments["postprocess"]))
    turn = itertools.cycle([Path(path).read_bytes() for path in arguments["pictures"]])
    for line in sys.stdin:
        began = time.monotonic()
        until, count = began + float(line), 0
        while time.monotonic() < until:
            classify(next(turn))
            count += 1
        print(json.dumps([count, time.monotonic() - began]), flush=True)


def _chain(preprocess: Path, model: str, postprocess: Path) -> Any:
    before, after = _step(preprocess), _step(postprocess)
    parameters = json.loads((preprocess / "parameters.json").read_text(encoding="utf-8"))
    top_k = json.loads((postprocess / "parameters.json").read_text(encoding="utf-8"))["top_k"]
    labels = np.array((postprocess / "labels.txt").read_text(encoding="utf-8").splitlines(), dtype=object)
    table = before.normalisation_table(parameters)
    channels = (0, 1, 2) if parameters["channel_order"] == "RGB" else (2, 1, 0)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def classify(picture: bytes) -> Any:
        pixels = before.read_picture(picture, parameters)
        if parameters["pixels"]:
            image = np.ascontiguousarray(pixels[None, :, :, channels])
        else:
            image = np.empty((1, 3, parameters["crop"], parameters["crop"]), np.float32)
            before.normalise(pixels, table, channels, image[0])
        (logits,) = session.run(None, {name: image})
        classes, scores = after.top_classes(logits, top_k)
        return labels[classes], scores

    return classify


def _step(folder: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"step_{folder.parent.name}", folder / "model.py")
    assert spec is not None  # noqa: S101 - a .py file has a loader
    assert spec.loader is not None  # noqa: S101 - a .py file has a loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
