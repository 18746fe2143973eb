"""Before the generator: a seed -> noise. The same seed gives the same noise, on every machine and in every batch."""

import numpy as np

NOISE = 64


def preprocess(requests: list[dict[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
    """Seeds, int64 (N, 1), from 0 to 2**32 - 1 -> standard normal noise, float32 (N, 64)."""
    return [{"noise": np.stack([_noise(seed) for seed in request["seed"][:, 0]])} for request in requests]


def _noise(seed: int) -> np.ndarray:
    # The one generator of numpy whose numbers no later version may change.
    return np.random.RandomState(seed).standard_normal(NOISE).astype(np.float32)
