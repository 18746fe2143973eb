"""A step of the user's own: a function over a list of requests. Parameters: `parameters.json` beside this file.

The function gets a mapping of input name to array for each request that the batcher gathered, and returns as many
mappings of output name to array. If it raises, each request is asked again alone, and only those that raise are refused.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Called by Triton's Python backend."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the parameters and imports the user's file, which lies in the same folder."""
        folder = Path(args["model_repository"]) / args["model_version"]
        self.parameters = json.loads((folder / "parameters.json").read_text(encoding="utf-8"))
        sys.path.insert(0, str(folder))
        spec = importlib.util.spec_from_file_location("step_of_the_user", folder / self.parameters["file"])
        if spec is None or spec.loader is None:
            raise ImportError(f"{self.parameters['file']} is no Python file")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.function = getattr(module, self.parameters["function"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers each request with what the function made of it."""
        asked = [
            {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self.parameters["inputs"]}
            for request in requests
        ]
        responses = []
        for request, given, made in zip(requests, asked, self.answers(asked), strict=True):
            if isinstance(made, Exception):
                refusal = pb_utils.TritonError(f"{type(made).__name__}: {made}", pb_utils.TritonError.INVALID_ARG)
                responses.append(pb_utils.InferenceResponse(error=refusal))
                continue
            outputs = {name: given[name] for name in self.parameters["passed_on"]} | made
            wanted = request.requested_output_names()
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor(name, outputs[name]) for name in wanted]))
        return responses

    def answers(self, asked: list[dict[str, Any]]) -> list[Any]:
        """What the function makes of each request: a mapping, or the exception that it raised."""
        try:
            made = whole(list(self.function(asked)), len(asked))
        except Exception as error:  # noqa: BLE001 - whatever the user's code raises is the answer to its request
            return [error] if len(asked) == 1 else [answer for one in asked for answer in self.answers([one])]
        return made


def whole(made: list[Any], count: int) -> list[Any]:
    """`made`, if there is an answer to each of `count` requests."""
    if len(made) != count:
        raise ValueError(f"the function answered {len(made)} of {count} requests")
    return made
