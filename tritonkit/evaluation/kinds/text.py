"""Reference text preprocessing, one text at a time: what a spec's `preprocess: {kind: text}` means."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from tritonkit.spec.model import TextPreprocess


def reference_tokens(text: str, spec: TextPreprocess, tokenizer: Path) -> dict[str, np.ndarray]:
    """Token numbers of one text, without padding: int64 `input_ids`, `attention_mask`, `token_type_ids`, each (tokens,)."""
    reader = _tokenizer(tokenizer, spec.max_length)
    encoding = reader.encode(text)
    return {
        "input_ids": np.array(encoding.ids, np.int64),
        "attention_mask": np.ones(len(encoding.ids), np.int64),
        "token_type_ids": np.array(encoding.type_ids, np.int64),
    }


@cache
def _tokenizer(file: Path, max_length: int) -> Any:
    from tokenizers import Tokenizer  # noqa: PLC0415 - only for text

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    return tokenizer
