"""The embedded `onnxruntime` backend: serves the repositories of Triton's C++ backend by ONNX Runtime's Python API.

A Python-based backend: Triton finds this file for `backend: "onnxruntime"` and runs it in one process an instance.
What binds it is that a repository loads, completes and answers here as it does there; the rules are in
`ort_config`, `ort_completion` and `ort_validation`, each a pure function.

It needs numpy below version 2: with numpy 2 the stub of the 2.51 server gives empty arrays, and the way around that,
DLPack, is slower for every tensor but the BF16 ones.
"""

from __future__ import annotations

import json
import os
from typing import Any

import triton_python_backend_utils as pb_utils
from ort_completion import complete, needs_completion
from ort_config import RefusedError, backend_settings, session_settings
from ort_execution import Executor
from ort_session import open_session, plain_text, run_options
from ort_signature import read_signature
from ort_states import state_store
from ort_validation import validate


class TritonPythonModel:
    """One model instance."""

    @staticmethod
    def auto_complete_config(auto_complete_model_config: Any) -> Any:
        """Fills in what the configuration lacks; called in a process of its own before any instance exists."""
        config = auto_complete_model_config.as_dict()
        try:
            backend = backend_settings(os.environ)
            settings = session_settings(config, backend)
            if needs_completion(config):
                session = open_session(config, settings, pb_utils.get_model_dir(), optimise=False)
                config.update(complete(config, read_signature(session, backend.target), backend))
        except RefusedError as error:
            raise pb_utils.TritonModelException(str(error)) from None
        return auto_complete_model_config

    def initialize(self, args: dict[str, str]) -> None:
        """Opens the session and holds the configuration against it."""
        config = json.loads(args["model_config"])
        try:
            backend = backend_settings(os.environ)
            settings = session_settings(config, backend)
            session = open_session(config, settings, pb_utils.get_model_dir())
            signature = read_signature(session, backend.target)
            validate(config, signature, backend.target)
        except RefusedError as error:
            raise pb_utils.TritonModelException(str(error)) from None
        self._decoupled = pb_utils.using_decoupled_model_transaction_policy(config)
        self._executor = Executor(
            session=session,
            config=config,
            signature=signature,
            run_options=run_options(settings),
            states=state_store(config),
        )

    def execute(self, requests: list[Any]) -> list[Any] | None:
        """Answers the requests that Triton has batched, in one run of the session.

        Under a decoupled transaction policy too each request has one answer, sent instead of returned.
        """
        responses = self._answer(requests)
        if not self._decoupled:
            return responses
        for request, response in zip(requests, responses, strict=True):
            request.get_response_sender().send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
        return None

    def _answer(self, requests: list[Any]) -> list[Any]:
        """As in the C++ backend, a run that fails fails every request of its batch."""
        try:
            return self._executor.answer(requests)
        except Exception as error:  # noqa: BLE001 - whatever a model raises is its own failure
            # Whatever a model or ONNX Runtime raises is these requests' answer; the instance goes on.
            failure = pb_utils.TritonError(plain_text(error))
            return [pb_utils.InferenceResponse(error=failure) for _ in requests]
