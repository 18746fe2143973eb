"""A gated recurrent unit that forecasts a chaotic signal: trained on whole signals, served a sample at a time."""

from collections.abc import Mapping

import torch

UNITS = 32


class Forecaster(torch.nn.Module):
    """At each step of a signal, its value `signals.AHEAD` steps later."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = torch.nn.GRU(1, UNITS, batch_first=True)
        self.head = torch.nn.Linear(UNITS, 1)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Whole signals, float32 of shape (N, steps, 1) -> a forecast for each step, of the same shape."""
        states, _ = self.recurrent(signal)
        forecasts: torch.Tensor = self.head(states)
        return forecasts


class ForecasterStep(Forecaster):
    """The same network, a step at a time: what it remembers of a signal comes in and goes out."""

    def forward(self, value: torch.Tensor, memory_in: torch.Tensor) -> dict[str, torch.Tensor]:  # type: ignore[override]
        """One step: `value` (N, 1) and `memory_in` (N, 32) -> `forecast` (N, 1) and `memory_out` (N, 32)."""
        states, memory = self.recurrent(value[:, None], memory_in[None])
        return {"forecast": self.head(states[:, 0]), "memory_out": memory[0]}


def forecaster() -> Forecaster:
    """The network to train."""
    return Forecaster()


def forecaster_step() -> ForecasterStep:
    """The network to serve; its weights are the trained one's."""
    return ForecasterStep()


def whole_signals(network: ForecasterStep, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The truth that the served steps are held against: PyTorch's own run over the whole of each signal."""
    return {"forecast": Forecaster.forward(network, inputs["value"])}
