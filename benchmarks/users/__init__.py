"""The Locust users: one class a protocol, what they share, and where their requests are written down.

Nothing is re-exported: importing this room must not import Locust, which patches the standard library.
"""

__all__: list[str] = []
