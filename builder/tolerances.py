"""How far a served answer may lie from its reference: one table.

An answer is equal when |got - want| <= absolute + relative * |want| for every element and no sample's cosine to its
reference falls below `cosine`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tritonkit.spec.model import Tolerance

if TYPE_CHECKING:
    from tritonkit.spec.variants import Precision

# The converted model against the original weights. fp32: other kernels add in another order, about 1e-6 of the largest
# intermediate value a layer, in tens of layers. fp16 has 11 bits, bf16 8: rounded at every layer. int8: a figure of
# the whole answer, of samples that calibration never saw, such as noise and a constant; what it costs in right answers
# is not told by it but by the gates of accuracy and agreement.
ARTEFACT: dict[Precision, Tolerance] = {
    "fp32": Tolerance(absolute=1e-4, relative=1e-4, cosine=0.999999),
    "fp16": Tolerance(absolute=2e-1, relative=2e-2, cosine=0.999),
    "bf16": Tolerance(absolute=5e-1, relative=1e-1, cosine=0.99),
    "int8": Tolerance(absolute=1.5, relative=2.5e-1, cosine=0.9),
}

# The served part against the same file in process: the same kernels on the same numbers, in batches of other sizes.
# In int8 a value at the edge between two integers may fall to either side, and the next layer carries that on.
SERVED: dict[Precision, Tolerance] = {
    "fp32": Tolerance(absolute=2e-5, relative=2e-5, cosine=0.999999),
    "fp16": Tolerance(absolute=2e-2, relative=1e-2, cosine=0.9999),
    "bf16": Tolerance(absolute=2e-1, relative=5e-2, cosine=0.999),
    "int8": Tolerance(absolute=3e-1, relative=1e-1, cosine=0.995),
}

# The served preprocessing against the transform of the evaluation: the same pixels, up to the rounding of a division.
PREPROCESS = Tolerance(absolute=1e-5, relative=1e-6, cosine=0.999999)

# Softmax scores, from logits within the artefact's tolerance: d(score) <= score * (1 - score) * 2 * d(logit).
SCORE: dict[Precision, Tolerance] = {
    "fp32": Tolerance(absolute=1e-4, relative=1e-3, cosine=0.999999),
    "fp16": Tolerance(absolute=2e-2, relative=1e-1, cosine=0.999),
    "bf16": Tolerance(absolute=1e-1, relative=5e-1, cosine=0.98),
    "int8": Tolerance(absolute=4e-1, relative=1.0, cosine=0.5),
}
