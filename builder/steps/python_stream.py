"""A generator of the user's own: several answers to one request. Parameters: `parameters.json` beside this file.

The function gets one request, a mapping of input name to array, and yields mappings of output name to value. Each is
sent as it comes. Nothing more is asked of it once the client has left, or after `time_limit` seconds.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import triton_python_backend_utils as pb_utils

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class TritonPythonModel:
    """Called by Triton's Python backend, decoupled: answers are sent, not returned."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the parameters and imports the user's file, which lies in the same folder."""
        folder = Path(args["model_repository"]) / args["model_version"]
        self.parameters = json.loads((folder / "parameters.json").read_text(encoding="utf-8"))
        sys.path.insert(0, str(folder))
        spec = importlib.util.spec_from_file_location("stream_of_the_user", folder / self.parameters["file"])
        if spec is None or spec.loader is None:
            raise ImportError(f"{self.parameters['file']} is no Python file")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.function = getattr(module, self.parameters["function"])

    def execute(self, requests: list[Any]) -> None:
        """Answers each request to its end."""
        for request in requests:
            self.answer(request)

    def answer(self, request: Any) -> None:
        """Sends what the function yields, what it raises as an error, and then that this was all."""
        sender = request.get_response_sender()
        given = {
            name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self.parameters["inputs"]
        }
        wanted = request.requested_output_names()
        try:
            for made in in_time(self.function(given), self.parameters["time_limit"]):
                if sender.is_cancelled():
                    break
                sender.send(pb_utils.InferenceResponse(self.tensors(made, wanted)))
        except Exception as error:  # noqa: BLE001 - whatever the user's code raises is the answer to its request
            refusal = pb_utils.TritonError(f"{type(error).__name__}: {error}", pb_utils.TritonError.INVALID_ARG)
            sender.send(pb_utils.InferenceResponse(error=refusal))
        sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def tensors(self, made: Mapping[str, Any], wanted: list[str]) -> list[Any]:
        """The wanted outputs of one answer."""
        types = self.parameters["outputs"]
        return [pb_utils.Tensor(name, np.asarray(made[name], types[name])) for name in wanted]


def in_time(answers: Iterable[Mapping[str, Any]], seconds: float) -> Iterator[Mapping[str, Any]]:
    """The answers that come before the time is up."""
    began = time.monotonic()
    for made in answers:
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"the stream took more than {seconds} s")
        yield made
