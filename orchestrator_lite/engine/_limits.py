"""How far jobs may begin jobs."""

from __future__ import annotations

MAX_DEPTH = 8
"""Jobs above one another, as children of children."""

FAN_OUT = 100
"""Children a task may have at once."""
