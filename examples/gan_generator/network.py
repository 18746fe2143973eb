"""A small DCGAN for pictures of 28 by 28 grey pixels (Radford et al., "Unsupervised Representation Learning", 2016)."""

from torch import nn

NOISE = 64  # length of the generator's input


def generator(width: int = 32) -> nn.Module:
    """Noise (N, 64), standard normal -> pictures (N, 1, 28, 28), black -1 and white 1.

    Args:
        width: channels of the layer before the last.
    """
    return _as_the_paper_begins(
        nn.Sequential(
            nn.Linear(NOISE, 2 * width * 7 * 7, bias=False),
            nn.Unflatten(1, (2 * width, 7, 7)),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1),
            nn.Tanh(),
        )
    )


def discriminator(width: int = 32) -> nn.Module:
    """Pictures (N, 1, 28, 28) -> logits (N,), positive where they look real."""
    return _as_the_paper_begins(
        nn.Sequential(
            nn.Conv2d(1, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(2 * width * 7 * 7, 1),
            nn.Flatten(0),
        )
    )


def _as_the_paper_begins(network: nn.Module) -> nn.Module:
    """Filters from a normal distribution of standard deviation 0.02."""
    for parameter in network.parameters():
        if parameter.ndim >= 2:
            nn.init.normal_(parameter, std=0.02)
    return network
