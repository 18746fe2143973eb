"""Runs in the server's Python: ONNX Runtime sessions of one thread each, a thread of this process for each session.

python in_process_sessions.py '{"model": PATH, "input": NAME, "shape": [1, 3, 224, 224], "sessions": 2}'
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

import numpy as np
import onnxruntime


def main() -> None:
    """Works for as many seconds as each line of standard input says."""
    arguments = json.loads(sys.argv[1])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = [
        onnxruntime.InferenceSession(arguments["model"], options, providers=["CPUExecutionProvider"])
        for _ in range(arguments["sessions"])
    ]
    feed = {arguments["input"]: np.random.default_rng(0).random(arguments["shape"], dtype=np.float32)}
    for line in sys.stdin:
        began = time.monotonic()
        counts: list[int] = []
        threads = [threading.Thread(target=_run, args=(s, feed, began + float(line), counts)) for s in sessions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(json.dumps([sum(counts), time.monotonic() - began]), flush=True)


def _run(session: Any, feed: dict[str, Any], until: float, counts: list[int]) -> None:
    count = 0
    while time.monotonic() < until:
        session.run(None, feed)
        count += 1
    counts.append(count)


if __name__ == "__main__":
    main()
