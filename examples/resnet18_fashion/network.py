"""torchvision's ResNet-18 for ten classes of clothes, and the transform that it is evaluated with."""

import torch
from PIL import Image
from torchvision import models, transforms

SIDE, MEAN, STD = 56, 0.286, 0.353
"""Fashion-MNIST is 28 pixels wide; the stem, made for photographs, keeps a quarter of each side."""

_EVALUATION = transforms.Compose(
    [
        transforms.Lambda(lambda image: image.convert("RGB")),
        transforms.Resize(SIDE, transforms.InterpolationMode.BILINEAR),
        transforms.CenterCrop(SIDE),
        transforms.ToTensor(),
        transforms.Normalize(mean=[MEAN] * 3, std=[STD] * 3),
    ]
)


def resnet18(dropout: float = 0.0) -> torch.nn.Module:
    """Pictures (N, 3, 56, 56) -> logits (N, 10).

    Args:
        dropout: probability that a feature is dropped before the last layer, in training.
    """
    network = models.resnet18(num_classes=10)
    if dropout:
        network.fc.register_forward_pre_hook(
            lambda layer, features: (torch.nn.functional.dropout(features[0], dropout, layer.training),)
        )
    return network


def transform(image: Image.Image) -> torch.Tensor:
    """A picture as opened -> the network's input, float32 of shape (3, 56, 56)."""
    return _EVALUATION(image)
