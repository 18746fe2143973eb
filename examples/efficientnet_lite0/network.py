"""EfficientNet-Lite0 as its authors evaluated it: the architecture, and the transform of the evaluation."""

import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torchvision import transforms

# The published evaluation of the Lite family: resize to crop + 32, bicubic, (pixel - 127) / 128.
_EVALUATION = transforms.Compose(
    [
        transforms.Lambda(lambda image: image.convert("RGB")),
        transforms.Resize(256, transforms.InterpolationMode.BICUBIC),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize(mean=[127 / 255] * 3, std=[128 / 255] * 3),
    ]
)


def efficientnet_lite0() -> torch.nn.Module:
    """The architecture, without weights: (N, 3, 224, 224) -> (N, 1000) logits over ImageNet's classes."""
    return EfficientNet.from_name("efficientnet-lite0")


def transform(image: Image.Image) -> torch.Tensor:
    """A picture as opened -> the network's input, float32 of shape (3, 224, 224)."""
    return _EVALUATION(image)
