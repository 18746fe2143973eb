"""How far a served answer may lie from its reference: one table.

An answer is equal when |got - want| <= absolute + relative * |want| for every element and no sample's cosine to its
reference falls below `cosine`.
"""

from __future__ import annotations

from tritonkit.spec.model import Tolerance

# The converted model against the original weights. Other kernels add in another order: about 1e-6 of the largest
# intermediate value a layer, in tens of layers.
ARTEFACT: dict[str, Tolerance] = {
    "fp32": Tolerance(absolute=1e-4, relative=1e-4, cosine=0.999999),
}

# The served part against the same file in process: the same kernels on the same numbers, in batches of other sizes.
SERVED = Tolerance(absolute=2e-5, relative=2e-5, cosine=0.999999)

# The served preprocessing against the transform of the evaluation: the same pixels, up to the rounding of a division.
PREPROCESS = Tolerance(absolute=1e-5, relative=1e-6, cosine=0.999999)

# Softmax scores, from logits within the artefact's tolerance: d(score) <= score * (1 - score) * 2 * d(logit).
SCORE: dict[str, Tolerance] = {
    "fp32": Tolerance(absolute=1e-4, relative=1e-3, cosine=0.999999),
}
