"""Real crops of photographs: what INT8 takes its scales from, chooses layers by, and is judged on, each of others."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import skimage.data
import sklearn.datasets
from PIL import Image

SCIKIT_IMAGE = Path(skimage.data.__file__).parent
SCIKIT_LEARN = Path(sklearn.datasets.__file__).parent / "images"
# A photograph is in one group only: crops of one picture are relatives of each other.
GROUPS = (
    (500, [SCIKIT_IMAGE / name for name in ("astronaut.png", "brick.png", "hubble_deep_field.jpg", "ihc.png",
                                            "motorcycle_left.png", "retina.jpg", "rocket.jpg")]
     + [SCIKIT_LEARN / "china.jpg"]),
    (200, [SCIKIT_IMAGE / name for name in ("chelsea.png", "coins.png", "gravel.png", "moon.png")]),
    (200, [SCIKIT_IMAGE / name for name in ("camera.png", "coffee.png", "grass.png")] + [SCIKIT_LEARN / "flower.jpg"]),
)  # fmt: skip


def crops() -> Iterator[Image.Image]:
    """500 crops to calibrate, 200 to choose layers by, 200 to judge; each a third to the whole of a photograph's side."""
    random = np.random.default_rng(0)
    for count, files in GROUPS:
        photographs = [Image.open(file).convert("RGB") for file in files]
        for index in range(count):
            photograph = photographs[index % len(photographs)]
            side = int(min(photograph.size) * random.uniform(1 / 3, 1))
            left, top = (int(random.integers(0, length - side + 1)) for length in photograph.size)
            yield photograph.crop((left, top, left + side, top + side))
