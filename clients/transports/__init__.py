"""How requests reach a server: one seam, a pair of small files for each protocol, one opened at need."""

from .opening import open_async_transport, open_transport
from .seam import AsyncTransport, Transport

__all__ = ["AsyncTransport", "Transport", "open_async_transport", "open_transport"]
