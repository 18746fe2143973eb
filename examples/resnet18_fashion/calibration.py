"""Real pictures that show which values the network's tensors take: of the training split, never of the test split."""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from tritonkit.evaluation.datasets.fashion_mnist import fashion_mnist


def training_images() -> Iterator[Image.Image]:
    """The 60,000 training pictures in one random order, so that a few of them are of all classes."""
    pictures = fashion_mnist().training.samples
    for index in np.random.default_rng(0).permutation(len(pictures)):
        yield Image.fromarray(pictures[index])
