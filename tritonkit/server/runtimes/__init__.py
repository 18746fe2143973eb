"""The two places a server runs in: the wheel on this machine, a container."""
