"""Classification postprocessing step: logits -> class_id, score, label, and the logits as they came.

Parameters: `parameters.json` beside this file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Called by Triton's Python backend."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the parameters and the class names."""
        folder = Path(args["model_repository"]) / args["model_version"]
        self.parameters = json.loads((folder / "parameters.json").read_text(encoding="utf-8"))
        labels = (folder / "labels.txt").read_text(encoding="utf-8").splitlines()
        self.labels = np.array([label.encode() for label in labels], dtype=object)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers each request with (its batch, k) arrays: int32 class_id, float32 score, BYTES label."""
        name = self.parameters["input"]
        logits = [pb_utils.get_input_tensor_by_name(request, name).as_numpy() for request in requests]
        class_id, score = top_classes(np.concatenate(logits), self.parameters["top_k"])
        label = self.labels[class_id]
        responses, start = [], 0
        for request, rows in zip(requests, logits, strict=True):
            part = slice(start, start + len(rows))
            start += len(rows)
            outputs = {"class_id": class_id[part], "score": score[part], "label": label[part], name: rows}
            wanted = request.requested_output_names()
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor(key, outputs[key]) for key in wanted]))
        return responses


def top_classes(logits: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The `k` likeliest classes of each row and their softmax: int32 and float32 of shape (rows, k)."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores = exponentials / exponentials.sum(axis=1, keepdims=True)
    # By logit, not by score: far from the likeliest class a softmax is 0, and zeros have no order.
    likeliest = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    return likeliest.astype(np.int32), np.take_along_axis(scores, likeliest, axis=1)
