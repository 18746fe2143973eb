"""Seeds that depend on where in training one is, so that a resumed run draws what it would have drawn."""

from __future__ import annotations

import numpy as np


def seed_of(*parts: int) -> int:
    """A seed of 63 bits for these numbers: the recipe's seed, the epoch, the step, the process."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
