"""Tabular preprocessing step: numbers and categories -> one vector. Parameters: `parameters.json` beside this file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Called by Triton's Python backend."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the parameters."""
        folder = Path(args["model_repository"]) / args["model_version"]
        self.parameters = json.loads((folder / "parameters.json").read_text(encoding="utf-8"))

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers each request with float32 of shape (its batch, width)."""
        responses = []
        for request in requests:
            try:
                columns = [self.column(request, column) for column in self.parameters["columns"]]
            except ValueError as error:
                refusal = pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG)
                responses.append(pb_utils.InferenceResponse(error=refusal))
                continue
            vector = np.concatenate(columns, axis=1).astype(np.float32)
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor(self.parameters["output"], vector)]))
        return responses

    def column(self, request: Any, column: dict[str, Any]) -> np.ndarray:
        """Float64 of shape (batch, 1), or (batch, categories)."""
        values = pb_utils.get_input_tensor_by_name(request, column["name"]).as_numpy().reshape(-1, 1)
        if column["categories"]:
            categories = np.array([text.encode() for text in column["categories"]], dtype=object)[None]
            matches = values == categories
            if column["unknown"] == "refuse" and not matches.any(axis=1).all():
                text = values[~matches.any(axis=1)][0, 0].decode(errors="replace")
                raise ValueError(f"{column['name']}: {text!r} is none of {', '.join(column['categories'])}")
            indicators: np.ndarray = matches.astype(np.float64)
            return indicators
        numbers: np.ndarray = values.astype(np.float64)
        missing = np.isnan(numbers)
        if missing.any():
            if column["missing"] is None:
                raise ValueError(f"{column['name']}: the number is missing")
            numbers[missing] = column["missing"]
        scaled: np.ndarray = (numbers - column["mean"]) / column["std"]
        return scaled
