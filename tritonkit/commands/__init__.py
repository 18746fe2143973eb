"""The front door: `tritonkit VERB`, one module a verb, the only place that joins sibling rooms."""

from tritonkit.commands.front_door import main

__all__ = ["main"]
