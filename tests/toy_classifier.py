"""A small image classifier with its spec, in a folder: what the tests of the builder build."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
import yaml
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = 6
SIDE = 16

NETWORK = """
import torch
from torch import nn
from torchvision import transforms


class Toy(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Linear(8 * 8 * 8, 6)

    def forward(self, image):
        return self.head(self.features(image).flatten(1))


def toy():
    return Toy()


def transform(image):
    return transforms.Compose([
        transforms.Lambda(lambda i: i.convert("RGB")),
        transforms.Resize(20),
        transforms.CenterCrop(16),
        transforms.ToTensor(),
        transforms.Normalize([0.5, 0.4, 0.3], [0.2, 0.25, 0.3]),
    ])(image)
"""


def spec_fields() -> dict:
    """The fields of the toy's model.yaml, for a test to change."""
    return {
        "schema_version": 1,
        "name": "toy",
        "description": "A toy.",
        "source": {"factory": "network:toy", "weights": "toy.pt", "transform": "network:transform"},
        "inputs": [{"name": "pixels", "data_type": "TYPE_FP32", "dims": [3, SIDE, SIDE]}],
        "outputs": [{"name": "logits", "data_type": "TYPE_FP32", "dims": [CLASSES]}],
        "preprocess": {
            "kind": "image",
            "resize": 20,
            "crop": SIDE,
            "interpolation": "bilinear",
            "mean": [0.5, 0.4, 0.3],
            "std": [0.2, 0.25, 0.3],
        },
        "postprocess": {"kind": "classification", "top_k": 3, "labels": "labels.txt"},
        "variants": [{"name": "fp32"}],
        "serving": {"variant": "fp32", "max_batch_size": 4},
        "samples": {"pictures": ["stripes.png", "noise.jpg"], "random": 2},
    }


def write_toy(folder: Path, *, network: str = NETWORK, seed: int = 0, **changes: object) -> Path:
    """Writes the toy into `folder`, with `changes` to the top-level fields of its spec, and returns `folder`."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "network.py").write_text(textwrap.dedent(network))
    namespace: dict = {}
    exec(compile(NETWORK, "network.py", "exec"), namespace)
    torch.manual_seed(seed)
    torch.save(namespace["toy"]().state_dict(), folder / "toy.pt")
    (folder / "labels.txt").write_text("".join(f"class {i}\n" for i in range(CLASSES)))
    random = np.random.default_rng(1)
    Image.fromarray(random.integers(0, 255, (40, 31, 3), dtype=np.uint8)).save(folder / "noise.jpg", quality=95)
    stripes = np.broadcast_to(np.linspace(0, 255, 37).astype(np.uint8)[None, :, None], (24, 37, 3))
    Image.fromarray(np.ascontiguousarray(stripes)).save(folder / "stripes.png")
    (folder / "model.yaml").write_text(yaml.safe_dump({**spec_fields(), **changes}, sort_keys=False))
    return folder
