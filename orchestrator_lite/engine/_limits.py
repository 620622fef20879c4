"""How far jobs may begin jobs."""

from __future__ import annotations

MAX_DEPTH = 8
"""Jobs above one another, as children of children."""

FAN_OUT = 100
"""Children a task may have at once."""

MOST_EVENTS = 10_000
"""Entries of a job's history after which events of skills are refused."""
