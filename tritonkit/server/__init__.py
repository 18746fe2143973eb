"""Runs, watches and stops a real tritonserver on a plain machine or in its NGC container."""

from tritonkit.server.environment import ServerEnvironment, ensure_environment
from tritonkit.server.options import ServerOptions
from tritonkit.server.triton import TritonServer

__all__ = ["ServerEnvironment", "ServerOptions", "TritonServer", "ensure_environment"]
