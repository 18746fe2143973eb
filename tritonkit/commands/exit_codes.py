"""What the exit status of every command means."""

from __future__ import annotations

OK = 0
NO = 1
"""The work was done and the answer is no: a gate failed, a model does not load."""
USAGE = 2
"""The command line, a document or a file is wrong."""
UNAVAILABLE = 3
"""Something that is needed is not here: a server, a port, a program."""
CONFLICT = 4
"""Somebody else was there first: a used version number, another publisher."""
INTERRUPTED = 130
"""Ctrl-C, as shells report it."""
