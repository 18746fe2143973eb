"""A small multilayer perceptron whose scaling is a part of it: raw measurements in, the target's own unit out."""

import torch
from torch import nn

MEAN, STD = 151.5, 77.1
"""Of the training split's targets."""


class ScaledPerceptron(nn.Module):
    """Ten measurements, unscaled, of shape (N, 10) -> progression of the illness, (N, 1).

    Args:
        hidden: width of both hidden layers.
        dropout: probability that a hidden feature is dropped, in training.
    """

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        # Without parameters of its own, and with a plain average over all steps, it only learns each column's mean and
        # variance, from the training split alone.
        self.scale = nn.BatchNorm1d(10, affine=False, momentum=None)
        self.layers = nn.Sequential(
            nn.Linear(10, hidden),
            nn.Tanh(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.Tanh(),
            nn.Dropout(dropout),
            nn.Linear(hidden, 1),
        )

    def forward(self, measurements: torch.Tensor) -> torch.Tensor:
        """The answers to a batch."""
        answer: torch.Tensor = MEAN + STD * self.layers(self.scale(measurements))
        return answer


def perceptron(hidden: int = 32, dropout: float = 0.0) -> nn.Module:
    """The network, with fresh weights."""
    return ScaledPerceptron(hidden, dropout)
