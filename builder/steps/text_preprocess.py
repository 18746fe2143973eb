"""Text preprocessing step: UTF-8 text -> token numbers. Parameters: `parameters.json` beside this file.

One execution tokenizes all the texts that the batcher gathered; those of one request are padded to its longest.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from tokenizers import Tokenizer


class TritonPythonModel:
    """Called by Triton's Python backend."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the parameters and the tokenizer."""
        folder = Path(args["model_repository"]) / args["model_version"]
        self.parameters = json.loads((folder / "parameters.json").read_text(encoding="utf-8"))
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(self.parameters["max_length"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers each request with integers of shape (its batch, its longest text)."""
        texts, failures = [], {}
        for index, request in enumerate(requests):
            elements = pb_utils.get_input_tensor_by_name(request, self.parameters["input"]).as_numpy().ravel()
            try:
                texts.append([element.decode("utf-8") for element in elements])
            except UnicodeDecodeError as error:
                texts.append([])
                failures[index] = f"the text is no UTF-8: byte {error.start} cannot be read"
        encodings = iter(self.tokenizer.encode_batch([text for some in texts for text in some]))
        responses = []
        for index, (request, some) in enumerate(zip(requests, texts, strict=True)):
            if index in failures:
                refusal = pb_utils.TritonError(failures[index], pb_utils.TritonError.INVALID_ARG)
                responses.append(pb_utils.InferenceResponse(error=refusal))
                continue
            arrays = self.arrays([next(encodings) for _ in some])
            wanted = request.requested_output_names()
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor(name, arrays[name]) for name in wanted]))
        return responses

    def arrays(self, encodings: list[Any]) -> dict[str, np.ndarray]:
        """The network's inputs for the texts of one request."""
        shape = (len(encodings), max((len(encoding.ids) for encoding in encodings), default=0))
        ids = np.full(shape, self.parameters["pad_id"], np.int64)
        mask, types = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, encoding in enumerate(encodings):
            tokens = slice(len(encoding.ids))
            ids[row, tokens], types[row, tokens], mask[row, tokens] = encoding.ids, encoding.type_ids, 1
        named = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        return {name: named[name].astype(dtype, copy=False) for name, dtype in self.parameters["outputs"].items()}
